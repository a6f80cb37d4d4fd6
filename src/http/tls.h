// The server's certificate and TLS settings.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

#include "base/result.h"

namespace tallyman::http {

// TLS 1.2 and later, with the certificate chain and the key of these PEM files.
// INVALID_ARGUMENT TLS_FILES names the file and what is wrong with it.
Result<std::shared_ptr<boost::asio::ssl::context>> LoadTls(const std::string& cert_file,
                                                           const std::string& key_file);

}  // namespace tallyman::http
