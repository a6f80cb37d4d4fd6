#include "cli/progress.h"

#include <fmt/core.h>

namespace tallyman::cli {
namespace {

constexpr std::chrono::milliseconds kRefresh(200);

}  // namespace

Progress::Progress(Context& context, std::string text, int64_t total)
    : context_(context),
      environment_(context.environment()),
      text_(std::move(text)),
      start_(environment_.clock.Now()),
      total_(total) {
  if (environment_.err_is_terminal && context.is_table()) {
    thread_ = std::thread([this] { Run(); });
  }
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  ended_changed_.notify_all();
  thread_.join();
  if (shown_) environment_.err << kEraseLine << std::flush;
}

void Progress::Run() {
  std::unique_lock lock(mutex_);
  while (!ended_changed_.wait_for(lock, kRefresh, [this] { return ended_; })) {
    const auto elapsed =
        std::chrono::duration_cast<std::chrono::seconds>(environment_.clock.Now() - start_);
    if (elapsed >= std::chrono::seconds(1)) Show(elapsed);
  }
}

void Progress::Show(std::chrono::seconds elapsed) {
  const std::lock_guard lock(context_.line_mutex_);
  if (context_.waiting_is_shown_) return;
  shown_ = true;
  std::string line = fmt::format("{}{} ...", kEraseLine, text_);
  if (total_ > 0) line += fmt::format(" {} of {},", done_.load(), total_.load());
  line += fmt::format(" {} s", elapsed.count());
  environment_.err << line << std::flush;
}

}  // namespace tallyman::cli
