# How every file of the project is compiled: language, warnings, sanitizers, linker, compiler cache.

set(CMAKE_CXX_STANDARD 23)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()
# Line tables are enough for a stack trace and halve the size of objects; asserts stay on everywhere.
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
# What tests run again and again is optimized a little in debug builds: it pays for its compiling.
function(tallyman_runs_often target)
  target_compile_options(${target} PRIVATE "$<$<CONFIG:Debug>:-O1>")
endfunction()

# Release builds compile a room's files a dozen at a time: most of a file's cost is its headers,
# which are then read once. Other builds keep every #include honest.
if(CMAKE_UNITY_BUILD)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # In a batch g++ cannot distinguish a file's own definitions from a header's.
    add_compile_options(-Wno-subobject-linkage)
  endif()
endif()

# The warnings are an interface target, so that generated code can do without them.
add_library(tallyman_warnings INTERFACE)
target_compile_options(tallyman_warnings INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual
  -Wcast-align -Wunused -Wformat=2 -Wimplicit-fallthrough -Wextra-semi -Wvla -Wsign-compare
  # A designated initializer names what it sets; the rest has its default.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(tallyman_warnings INTERFACE
    -Wduplicated-cond -Wduplicated-branches -Wlogical-op
    # g++ 12 reports both falsely from inside std::string and std::expected at -O2.
    -Wno-restrict -Wno-maybe-uninitialized
    # g++ 12 cannot model fences under TSan and warns about every one in a header.
    -Wno-tsan)
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # std::stable_sort of libstdc++ 12 itself uses a function that the library deprecates.
  target_compile_options(tallyman_warnings INTERFACE -Wno-deprecated-declarations)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

if(TALLYMAN_SANITIZE)
  add_compile_options(
    -fsanitize=${TALLYMAN_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TALLYMAN_SANITIZE})
endif()
if(TALLYMAN_SANITIZE MATCHES "address")
  # A program of half a gigabyte has millions of places to relocate, at every start. Tests start
  # hundreds.
  add_link_options(-no-pie)
endif()
if(TALLYMAN_SANITIZE STREQUAL "thread")
  # protobuf's map fields have two more members if this is defined, and Debian's library was built
  # without them.
  add_compile_options(-U__SANITIZE_THREAD__)
endif()

if(TALLYMAN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(TALLYMAN_MOLD mold)
if(TALLYMAN_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Paths are hashed relative to the source tree, so that another clone of it finds the same objects.
find_program(TALLYMAN_CCACHE ccache)
if(TALLYMAN_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${TALLYMAN_CCACHE})
endif()
