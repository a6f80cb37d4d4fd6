#include "base/sealer.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/text.h"

namespace tallyman {
namespace {

constexpr size_t kTagBytes = 16;
constexpr size_t kKeyIdDigits = 8;
constexpr std::string_view kForm = "v1:";

const unsigned char* BytesOf(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* BytesOf(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

// `tag` is written where it seals, and read where it opens. False: the tag is another's.
bool Run(bool seals, std::string_view key, std::string_view context, std::string_view in,
         std::string& out, std::string& tag) {
  static const EVP_CIPHER* const cipher = EVP_CIPHER_fetch(nullptr, "AES-256-SIV", nullptr);
  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> run(EVP_CIPHER_CTX_new());
  out.resize(in.size());
  tag.resize(kTagBytes);
  int size = 0;
  const bool ready =
      run && EVP_CipherInit_ex2(run.get(), cipher, BytesOf(key), nullptr, seals, nullptr) == 1 &&
      (seals ||
       EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) == 1) &&
      EVP_CipherUpdate(run.get(), nullptr, &size, BytesOf(context),
                       static_cast<int>(context.size())) == 1;
  if (!ready) std::abort();
  const bool done = EVP_CipherUpdate(run.get(), BytesOf(out), &size, BytesOf(in),
                                     static_cast<int>(in.size())) == 1;
  if (!seals) return done;
  if (!done || EVP_CIPHER_CTX_ctrl(run.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) != 1)
    std::abort();
  return true;
}

Error Damaged() {
  return DataLoss("SECRET_DAMAGED",
                  "a stored secret is damaged, or was copied from elsewhere: set it again");
}

}  // namespace

Result<Sealer> Sealer::Parse(std::string_view text) {
  Sealer sealer;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    const auto bytes = FromHex(line);
    if (!bytes || line.size() != 2 * kSealKeyBytes) {
      return Fail(InvalidArgument("INVALID_SECRET_KEY",
                                  fmt::format("line {} of the secret key file is no key: write {} "
                                              "hexadecimal digits, as `openssl rand -hex {}` does",
                                              number, 2 * kSealKeyBytes, kSealKeyBytes)));
    }
    sealer.keys_.push_back({Sha256Hex("key " + *bytes).substr(0, kKeyIdDigits), *bytes});
  }
  if (sealer.has_key()) return sealer;
  return Fail(InvalidArgument("INVALID_SECRET_KEY",
                              fmt::format("the secret key file is empty: write {} hexadecimal "
                                          "digits, as `openssl rand -hex {}` does",
                                          2 * kSealKeyBytes, kSealKeyBytes)));
}

Result<std::string> Sealer::Seal(std::string_view text, std::string_view context) const {
  if (!has_key()) {
    return Fail(FailedPrecondition(
        "NO_SECRET_KEY",
        "there is no key to seal a secret with: start the server with --secret-key-file, or set "
        "TALLYMAN_SECRET_KEY_FILE"));
  }
  std::string sealed, tag;
  Run(true, keys_.front().bytes, context, text, sealed, tag);
  return fmt::format("{}{}:{}", kForm, keys_.front().id, ToBase64(tag + sealed));
}

Result<std::string> Sealer::Open(std::string_view sealed, std::string_view context) const {
  const size_t at = kForm.size() + kKeyIdDigits;
  if (!sealed.starts_with(kForm) || sealed.size() <= at || sealed[at] != ':')
    return Fail(Damaged());
  const std::string_view id = sealed.substr(kForm.size(), kKeyIdDigits);
  const auto bytes = FromBase64(sealed.substr(at + 1));
  if (!bytes || bytes->size() <= kTagBytes) return Fail(Damaged());
  const auto key = std::ranges::find(keys_, id, &Key::id);
  if (key == keys_.end()) {
    return Fail(FailedPrecondition(
                    "SECRET_KEY_MISSING",
                    fmt::format("a secret is sealed with key {}, which is not in the secret key "
                                "file: add it, or set the secret again",
                                Quote(id)))
                    .With("key", Quote(id)));
  }
  std::string text, tag = bytes->substr(0, kTagBytes);
  if (!Run(false, key->bytes, context, std::string_view(*bytes).substr(kTagBytes), text, tag))
    return Fail(Damaged());
  return text;
}

std::vector<std::string> Sealer::Digests(std::string_view text) const {
  std::vector<std::string> digests;
  for (const Key& key : keys_) {
    std::string sealed, tag;
    Run(true, key.bytes, "digest", text, sealed, tag);
    digests.push_back(Sha256Hex(tag));
  }
  return digests;
}

}  // namespace tallyman
