# cmake -DIN=<descriptor set> -DOUT=<source> -P embed_descriptors.cmake
#
# Writes a source file with the bytes of a descriptor set: ApiDescriptors() of http/openapi.h.
file(READ "${IN}" hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE "${OUT}" "#include \"http/openapi.h\"

namespace tallyman::http {

std::string_view ApiDescriptors() {
  static constexpr unsigned char kBytes[] = {${bytes}};
  return {reinterpret_cast<const char*>(kBytes), sizeof kBytes};
}

}  // namespace tallyman::http
")
