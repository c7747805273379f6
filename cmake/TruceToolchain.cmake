# Compiler and linker settings for everything that is ours: warnings are errors, mold and ccache where they exist.
find_program(TRUCE_CCACHE ccache)
if(TRUCE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TRUCE_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${TRUCE_CCACHE})
endif()
find_program(TRUCE_MOLD mold)
if(TRUCE_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# -g1 keeps line numbers for stack traces at a third of the size and link time.
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")

if(TRUCE_SANITIZE)
  add_compile_options(-fsanitize=${TRUCE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TRUCE_SANITIZE})
  if(TRUCE_SANITIZE MATCHES "undefined")
    # vptr needs type information that Debian's gRPC is built without.
    add_compile_options(-fno-sanitize=vptr -fno-sanitize-recover=undefined)
  endif()
  if(TRUCE_SANITIZE MATCHES "thread")
    # Joins every binary by its warnings, which only ours link.
    add_library(truce_tsan OBJECT ${CMAKE_SOURCE_DIR}/tests/sanitizers/tsan_abseil.cc)
    add_compile_options("$<$<COMPILE_LANGUAGE:CXX>:SHELL:-include ${CMAKE_SOURCE_DIR}/tests/sanitizers/tsan_protobuf.h>")
  endif()
endif()

# Target that carries our warnings; generated code does not link it.
add_library(truce_warnings INTERFACE)
target_compile_options(truce_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
                       -Wno-missing-field-initializers -Werror)
if(TARGET truce_tsan)
  target_link_libraries(truce_warnings INTERFACE $<TARGET_OBJECTS:truce_tsan>)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(truce_warnings INTERFACE -Wthread-safety)
endif()
