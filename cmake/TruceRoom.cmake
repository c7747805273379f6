# truce_room(NAME DEPS lib...): one room of the house, a static library of the .cc files in the current folder.
# A new file in the folder joins by itself. Files named main.cc or *_main.cc are binaries and stay out.
function(truce_room name)
  cmake_parse_arguments(ROOM "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  list(FILTER sources EXCLUDE REGEX "(^|/|_)main\\.cc$")
  if(NOT sources)  # a room of headers only
    add_library(${name} INTERFACE)
    target_include_directories(${name} INTERFACE ${CMAKE_SOURCE_DIR})
    target_link_libraries(${name} INTERFACE ${ROOM_DEPS})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ROOM_DEPS} PRIVATE truce_warnings)
endfunction()

# truce_test(NAME DEPS lib... [LABELS label...] [TIMEOUT seconds]): one gtest binary of the *_test.cc files in the
# current folder, each test registered with ctest.
function(truce_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "DEPS;LABELS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cc)
  if(NOT sources)
    return()
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 120)
  endif()
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${TEST_DEPS} GTest::gmock GTest::gtest_main truce_warnings)
  # A test's own speed does not matter; the time to build it does.
  target_compile_options(${name} PRIVATE -O0)
  target_compile_definitions(${name} PRIVATE TRUCE_SOURCE_DIR="${CMAKE_SOURCE_DIR}" TRUCE_BIN_DIR="${CMAKE_BINARY_DIR}/bin")
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT} LABELS "${TEST_LABELS}")
endfunction()
