# tallyman_proto(<target> ROOT <dir> FILES <file below ROOT>...)
#
# A static library of the messages that protoc generates, included as "tallyman/v1/x.pb.h". Target
# <target>_sources generates without compiling, for tools that only read. Generated code is compiled
# without our warnings and is a system header to everybody else.
function(tallyman_proto target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "ROOT" "FILES")
  set(out "${PROJECT_BINARY_DIR}/generated")
  file(MAKE_DIRECTORY "${out}")
  set(sources "")
  set(headers "")
  foreach(file IN LISTS arg_FILES)
    string(REGEX REPLACE "\\.proto$" "" stem "${file}")
    list(APPEND sources "${out}/${stem}.pb.cc")
    list(APPEND headers "${out}/${stem}.pb.h")
  endforeach()
  list(TRANSFORM arg_FILES PREPEND "${arg_ROOT}/" OUTPUT_VARIABLE protos)
  # One run for all files: they import one another, and protoc is fast.
  add_custom_command(
    OUTPUT ${sources} ${headers}
    COMMAND protobuf::protoc "--proto_path=${arg_ROOT}" "--cpp_out=${out}" ${arg_FILES}
    DEPENDS ${protos}
    COMMENT "Generating the messages of proto/"
    VERBATIM)
  add_custom_target(${target}_sources DEPENDS ${sources} ${headers})

  add_library(${target} STATIC ${sources})
  tallyman_runs_often(${target})
  add_dependencies(${target} ${target}_sources)
  # Generated files define the same internal names.
  set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
  target_compile_options(${target} PRIVATE -w)
  target_include_directories(${target} SYSTEM PUBLIC "${out}")
  target_link_libraries(${target} PUBLIC protobuf::libprotobuf)
endfunction()

# tallyman_embed_descriptors(<target>)
#
# Gives the target ApiDescriptors(): the definition with its comments, which generated code leaves out.
function(tallyman_embed_descriptors target)
  file(GLOB protos CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/proto/tallyman/v1/*.proto")
  set(set "${PROJECT_BINARY_DIR}/generated/api_descriptors.binpb")
  set(source "${PROJECT_BINARY_DIR}/generated/api_descriptors.cc")
  add_custom_command(
    OUTPUT "${source}"
    COMMAND protobuf::protoc "--proto_path=${PROJECT_SOURCE_DIR}/proto" --include_imports
      --include_source_info "--descriptor_set_out=${set}" ${protos}
    COMMAND "${CMAKE_COMMAND}" "-DIN=${set}" "-DOUT=${source}"
      -P "${PROJECT_SOURCE_DIR}/cmake/embed_descriptors.cmake"
    DEPENDS ${protos} "${PROJECT_SOURCE_DIR}/cmake/embed_descriptors.cmake"
    COMMENT "Embedding the definition of the API"
    VERBATIM)
  target_sources(${target} PRIVATE "${source}")
endfunction()
