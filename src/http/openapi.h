// The JSON form of the API as an OpenAPI 3.1 document, generated from the definition and its
// comments.
#pragma once

#include <string>
#include <string_view>

namespace tallyman::http {

// `descriptors` is a FileDescriptorSet with source information, as protoc writes it. Throws
// std::invalid_argument when it is not one, which is a bug because it is part of the program.
std::string OpenApiDocument(std::string_view descriptors, const std::string& version);

// The set of this program's own definition.
std::string_view ApiDescriptors();

}  // namespace tallyman::http
