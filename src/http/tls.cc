#include "http/tls.h"

#include <fmt/core.h>
#include <openssl/ssl.h>

#include <tuple>

#include "base/text.h"

namespace tallyman::http {
namespace {

namespace ssl = boost::asio::ssl;

std::unexpected<Error> Refuse(std::string_view what, const std::string& file,
                              const boost::system::error_code& error) {
  return Fail(InvalidArgument("TLS_FILES", fmt::format("{} {} cannot be used: {}", what,
                                                       Quote(file), error.message()))
                  .With("value", Quote(file)));
}

}  // namespace

Result<std::shared_ptr<ssl::context>> LoadTls(const std::string& cert_file,
                                              const std::string& key_file) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Releases buffers between records, because there may be thousands of idle connections.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  boost::system::error_code error;
  std::ignore = context->use_certificate_chain_file(cert_file, error);
  if (error) return Refuse("certificate file", cert_file, error);
  std::ignore = context->use_private_key_file(key_file, ssl::context::pem, error);
  if (error) return Refuse("key file", key_file, error);
  if (SSL_CTX_check_private_key(native) != 1) {
    return Fail(InvalidArgument(
        "TLS_FILES", fmt::format("the key in {} does not belong to the certificate in {}",
                                 Quote(key_file), Quote(cert_file))));
  }
  return context;
}

}  // namespace tallyman::http
