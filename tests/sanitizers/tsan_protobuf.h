// Included first in every file of the tsan preset. Protobuf's map fields have two more members for the thread sanitizer,
// and Debian's library is built without them: a google.protobuf.Struct that the library made would be read at the wrong
// places. So its header is read as the library was built.
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")
