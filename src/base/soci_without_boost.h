// SOCI as Debian ships it says that it was built with Boost, and then wants Boost's headers for bindings of Boost
// types. None are used here, and the classes are the same without: say so, and spare everybody a package of 150 MB.
#pragma once

#include <soci/soci-config.h>
#undef SOCI_HAVE_BOOST
#undef SOCI_HAVE_BOOST_DATE_TIME
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
