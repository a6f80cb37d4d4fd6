#include "base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>

#include "base/bytes.h"

namespace tallyman {

std::string Sha256Hex(std::string_view data) {
  // SHA256() looks up the algorithm by name, under locks, on each call.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(data.data(), data.size(), digest.data(), &size, algorithm, nullptr) != 1)
    std::abort();
  return ToHex({reinterpret_cast<const char*>(digest.data()), size});
}

bool SameSecret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace tallyman
