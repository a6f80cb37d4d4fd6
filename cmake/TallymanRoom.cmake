# One folder of src/ is one room: one static library and, with TESTS, one test program.

define_property(GLOBAL PROPERTY TALLYMAN_ROOMS
  BRIEF_DOCS "Rooms in order of their definition"
  FULL_DOCS "Every target made by tallyman_room(), for the check of their links")

# The file in which the keeper of the PostgreSQL cluster, which all tests of a run share, writes its
# address.
set(TALLYMAN_TEST_POSTGRES "${PROJECT_BINARY_DIR}/test-postgres")

# The directory in which a run of the tests leaves the result of each; scripts/run-tests counts
# them.
set(TALLYMAN_TEST_RESULTS "${PROJECT_BINARY_DIR}/test-results")

# tallyman_test(<target> SOURCES <file>... [DEPS <target>...] [TIMEOUT <seconds>] [SHARDS <n>]
#               [POSTGRES | ON_POSTGRES])
#
# A GoogleTest program. ctest runs it as one process, or as SHARDS processes that share its tests:
# most tests cost far less than a process, and a long process may end long after all others. Several
# run at a time, so a test that writes files needs its own directory. TIMEOUT applies to one
# process. POSTGRES gives tests tests/support/postgres_cluster.h, and the shared cluster while they
# run. ON_POSTGRES is for tests with tests/support/any_room.h: they run twice, the second time on
# PostgreSQL.
function(tallyman_test target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "POSTGRES;ON_POSTGRES" "TIMEOUT;SHARDS" "SOURCES;DEPS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 600)
  endif()
  if(NOT arg_SHARDS)
    set(arg_SHARDS 1)
  endif()
  set(cluster FIXTURES postgres ENVIRONMENT "TALLYMAN_TEST_POSTGRES=${TALLYMAN_TEST_POSTGRES}")
  set(needs "")
  if(arg_POSTGRES)
    list(APPEND arg_DEPS tests_postgres)
    set(needs ${cluster})
  endif()
  add_executable(${target} ${arg_SOURCES})
  # Test files of one program use the same names for their own helpers.
  set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}")
  target_link_libraries(${target}
    PRIVATE ${arg_DEPS} GTest::gmock GTest::gtest_main tallyman_warnings)
  set(how COMMAND ${target} SHARDS ${arg_SHARDS} TIMEOUT ${arg_TIMEOUT})
  tallyman_add_shards(${target} ${how} ${needs})
  if(arg_ON_POSTGRES)
    tallyman_add_shards(${target}.postgres ${how} ${cluster} TALLYMAN_TEST_BACKEND=postgres)
  endif()
endfunction()

# Registers with ctest the processes <name>.1, <name>.2, ... that share the tests of a program; a
# single one as <name>.
function(tallyman_add_shards name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "COMMAND;SHARDS;TIMEOUT;FIXTURES" "ENVIRONMENT")
  foreach(shard RANGE 1 ${arg_SHARDS})
    set(test ${name})
    if(arg_SHARDS GREATER 1)
      set(test ${name}.${shard})
    endif()
    math(EXPR index "${shard} - 1")
    add_test(NAME ${test}
      COMMAND ${arg_COMMAND} "--gtest_output=xml:${TALLYMAN_TEST_RESULTS}/${test}.xml")
    set_tests_properties(${test} PROPERTIES
      TIMEOUT ${arg_TIMEOUT}
      COST ${arg_TIMEOUT}  # the longest possible one begins first
      FIXTURES_REQUIRED "${arg_FIXTURES}"
      ENVIRONMENT "GTEST_TOTAL_SHARDS=${arg_SHARDS};GTEST_SHARD_INDEX=${index};${arg_ENVIRONMENT}")
  endforeach()
endfunction()

# tallyman_room(<folder> [SOURCES <file>...] [TESTS <file>...] [DEPS <target>...]
#               [TEST_DEPS <target>...] [POSTGRES])
#
# Call it in the folder's own CMakeLists.txt; <folder> is its path below src/. The library is named
# after it with '_' for '/' (store/sqlite is store_sqlite), the test program <library>_test. DEPS
# are the rooms and libraries it may use, passed on to targets that link it. Without SOURCES it is
# header-only. POSTGRES is for its tests, as in tallyman_test().
function(tallyman_room folder)
  cmake_parse_arguments(PARSE_ARGV 1 arg "POSTGRES" "" "SOURCES;TESTS;DEPS;TEST_DEPS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "tallyman_room(${folder}): unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  string(REPLACE "/" "_" target "${folder}")

  if(arg_SOURCES)
    add_library(${target} STATIC ${arg_SOURCES})
    target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${target} PUBLIC ${arg_DEPS} PRIVATE tallyman_warnings)
    tallyman_runs_often(${target})
  else()
    add_library(${target} INTERFACE)
    target_include_directories(${target} INTERFACE "${PROJECT_SOURCE_DIR}/src")
    target_link_libraries(${target} INTERFACE ${arg_DEPS})
  endif()
  set_property(GLOBAL APPEND PROPERTY TALLYMAN_ROOMS ${target})
  set_property(GLOBAL PROPERTY TALLYMAN_ROOM_DEPS_${target} ${arg_DEPS} ${arg_TEST_DEPS})

  if(arg_TESTS)
    set(options "")
    if(arg_POSTGRES)
      set(options POSTGRES)
    endif()
    tallyman_test(${target}_test
      SOURCES ${arg_TESTS} DEPS ${target} ${arg_TEST_DEPS} ${options})
  endif()
endfunction()

# tallyman_program(<name> SOURCES <file>... [DEPS <target>...])
#
# The program people run; it lands at the top of the build directory (build/release/tallyman).
function(tallyman_program name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/src")
  target_link_libraries(${name} PRIVATE ${arg_DEPS} tallyman_warnings)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}")
endfunction()

# tallyman_fuzz(<name> SOURCES <file>... [DEPS <target>...])
#
# A libFuzzer program, LLVMFuzzerTestOneInput in its source; built by preset fuzz only.
function(tallyman_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPS")
  if(TALLYMAN_FUZZ)
    add_executable(${name} ${arg_SOURCES})
    target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE ${arg_DEPS} tallyman_warnings)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()

# A misspelt room would become a linker flag and fail late; this names it at once.
function(tallyman_check_room_links)
  get_property(rooms GLOBAL PROPERTY TALLYMAN_ROOMS)
  foreach(room IN LISTS rooms)
    get_property(deps GLOBAL PROPERTY TALLYMAN_ROOM_DEPS_${room})
    foreach(dep IN LISTS deps)
      if(NOT TARGET ${dep})
        message(FATAL_ERROR "room ${room} depends on '${dep}', which is not a target")
      endif()
    endforeach()
  endforeach()
endfunction()
