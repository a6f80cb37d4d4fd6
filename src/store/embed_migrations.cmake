# Makes one C++ source of a backend's migrations.
#
# Included, it defines
#   tallyman_embed_migrations(<folder below store/> <Name> <variable>)
# which sets <variable> to the source, in which <Name>Migrations() is. Names of files are
# NNNN_name.sql and count 0001, 0002, ... without a gap. The work is done at build time, by this file
# run as a script:
#   cmake -DOUT=<file> -DROOM=<folder> -DNAME=<Name> -DDIRECTORY=<migrations> -P embed_migrations.cmake
if(NOT CMAKE_SCRIPT_MODE_FILE)
  set(TALLYMAN_EMBED_MIGRATIONS "${CMAKE_CURRENT_LIST_FILE}")

  function(tallyman_embed_migrations room name variable)
    set(directory "${CMAKE_CURRENT_SOURCE_DIR}/migrations")
    file(GLOB migrations CONFIGURE_DEPENDS "${directory}/*.sql")
    set(embedded "${CMAKE_CURRENT_BINARY_DIR}/migrations.cc")
    add_custom_command(
      OUTPUT "${embedded}"
      COMMAND "${CMAKE_COMMAND}" "-DOUT=${embedded}" "-DROOM=${room}" "-DNAME=${name}"
        "-DDIRECTORY=${directory}" -P "${TALLYMAN_EMBED_MIGRATIONS}"
      DEPENDS ${migrations} "${TALLYMAN_EMBED_MIGRATIONS}"
      COMMENT "Embedding the ${name} migrations"
      VERBATIM)
    set(${variable} "${embedded}" PARENT_SCOPE)
  endfunction()
  return()
endif()

file(GLOB files "${DIRECTORY}/*.sql")
list(SORT files)
set(rows "")
set(expected 0)
foreach(file IN LISTS files)
  get_filename_component(name "${file}" NAME_WE)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_[a-z0-9_]+$")
    message(FATAL_ERROR "${file}: a migration is named NNNN_name.sql")
  endif()
  math(EXPR expected "${expected} + 1")
  string(REGEX REPLACE "^0+" "" number "${CMAKE_MATCH_1}")
  if(NOT number EQUAL expected)
    message(FATAL_ERROR "${file}: the next migration has the number ${expected}")
  endif()
  file(READ "${file}" sql)
  string(APPEND rows "    {${number}, \"${name}\", R\"sql(${sql})sql\"},\n")
endforeach()
file(WRITE "${OUT}"
"// Made from the migrations by embed_migrations.cmake.
#include \"store/${ROOM}/migrations.h\"

namespace tallyman::store::${ROOM} {
namespace {

constexpr Migration kMigrations[] = {
${rows}};

}  // namespace

std::span<const Migration> ${NAME}Migrations() { return kMigrations; }

}  // namespace tallyman::store::${ROOM}
")
