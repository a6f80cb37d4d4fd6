// SHA-256 (FIPS 180-4), by OpenSSL.
#pragma once

#include <string>
#include <string_view>

namespace tallyman {

// 64 lower-case hexadecimal digits.
std::string Sha256Hex(std::string_view data);

// Compares in constant time: the duration does not depend on where the two differ.
bool SameSecret(std::string_view a, std::string_view b);

}  // namespace tallyman
