#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "base/bytes.h"

namespace tallyman {

std::string Sha256Hex(std::string_view data) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(data.data()), data.size(), digest);
  return ToHex({reinterpret_cast<const char*>(digest), sizeof digest});
}

bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tallyman
