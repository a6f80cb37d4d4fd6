// Leaves the secret of the first token in a file that only its owner can read.
#pragma once

#include <string>

#include "control/tokens/tokens.h"

namespace tallyman::app {

// Belongs to one thread.
class TokenFile final : public control::SecretKeeper {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}

  // Creates a file of mode 0600, on disk before this returns. FAILED_PRECONDITION TOKEN_FILE_EXISTS
  // for an existing file, which may hold a token that somebody still needs. INTERNAL
  // TOKEN_FILE_NOT_WRITTEN.
  Status Keep(const std::string& token_text) override;
  // Removes the file that Keep() created.
  void Forget() override;

 private:
  const std::string path_;
  bool made_ = false;
};

}  // namespace tallyman::app
