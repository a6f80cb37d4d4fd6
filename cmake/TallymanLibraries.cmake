# All libraries from Debian. Rooms name these targets in their DEPS:
#   fmt::fmt spdlog::spdlog SQLite::SQLite3 PostgreSQL::PostgreSQL OpenSSL::Crypto OpenSSL::SSL
#   Boost::json Boost::headers yaml-cpp CLI11::CLI11 ZLIB::ZLIB prometheus-cpp::core protobuf::libprotobuf
#   absl::time Threads::Threads
# and in their TEST_DEPS also rapidcheck, and under bench/ benchmark::benchmark.

# Most of a read's cost is spent in these three, and calls within a shared library go through a
# table. There are many sanitized programs, linked for every change, so they use the shared
# libraries.
if(NOT TALLYMAN_SANITIZE)
  find_library(SQLite3_LIBRARY NAMES libsqlite3.a sqlite3)
  set(Protobuf_USE_STATIC_LIBS ON)
  set(Boost_USE_STATIC_LIBS ON)
endif()

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
if(SQLite3_LIBRARY MATCHES "\\.a$")
  set_property(TARGET SQLite::SQLite3 APPEND PROPERTY INTERFACE_LINK_LIBRARIES m Threads::Threads)
endif()
find_package(PostgreSQL 15 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(CURL 7.88 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(Protobuf 3.21 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(mimalloc 2.0 REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(absl CONFIG REQUIRED)
find_package(GTest REQUIRED)
find_package(rapidcheck REQUIRED)
find_package(benchmark REQUIRED)
