#include "cli/waiting.h"

#include <fmt/core.h>

#include <algorithm>

#include "cli/format.h"
#include "cli/progress.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/host.pb.h"

namespace tallyman::cli {
namespace {

constexpr std::chrono::milliseconds kFirstPause(50);
constexpr std::chrono::milliseconds kLongestPause(2000);
constexpr size_t kNamedMax = 5;

bool HasEnded(const v1::Command& command) {
  return command.state() != v1::COMMAND_STATE_OPEN && command.state() != v1::COMMAND_STATE_TAKEN &&
         command.state() != v1::COMMAND_STATE_UNKNOWN;
}

// "n-1: failed: no such image; n-2: superseded".
class Names {
 public:
  void Add(const std::string& name) {
    if (++count_ <= kNamedMax) text_ += (text_.empty() ? "" : "; ") + name;
  }
  size_t count() const { return count_; }
  std::string text() const {
    return count_ <= kNamedMax ? text_ : fmt::format("{}; and {} more", text_, count_ - kNamedMax);
  }

 private:
  size_t count_ = 0;
  std::string text_;
};

}  // namespace

void AddWait(Word verb, Waiting* waiting) {
  const Reader reader = [waiting](const auto& name, const auto& text) -> Status {
    ASSIGN_OR_RETURN(const int64_t seconds, ParseLifetime(name, text));
    waiting->at_most = std::chrono::seconds(seconds);
    return {};
  };
  verb.Value("--wait", "TIME", reader,
             "Wait until the hosts are done, such as 10m at most; fail if they did not do it");
}

Status WaitForHosts(Context& context, const v1::Changes& changes, const Waiting& waiting) {
  if (!waiting.at_most || !changes.applied()) return {};
  std::vector<const v1::NodeChange*> pending;
  for (const v1::NodeChange& change : changes.nodes())
    if (!change.command_id().empty()) pending.push_back(&change);
  const auto total = static_cast<int64_t>(pending.size());
  const Time until = context.environment().clock.Now() + *waiting.at_most;
  auto pause = kFirstPause;
  Names failed;
  Progress progress(context, "waiting for hosts", total);
  for (int64_t done = 0; done < total; ++done) {
    const v1::NodeChange& change = *pending[static_cast<size_t>(done)];
    v1::GetCommandRequest request;
    request.set_command_id(change.command_id());
    while (true) {
      ASSIGN_OR_RETURN(const auto answer, context.CallUnseen<v1::GetCommandResponse>(request));
      const v1::Command& command = answer.command();
      if (HasEnded(command)) {
        if (command.state() != v1::COMMAND_STATE_SETTLED) {
          failed.Add(fmt::format("{}: {}{}{}", change.node(), EnumWord(command.state()),
                                 command.outcome().empty() ? "" : ": ", command.outcome()));
        }
        break;
      }
      if (context.environment().clock.Now() >= until) {
        Names late;
        for (auto at = static_cast<size_t>(done); at < pending.size(); ++at)
          late.Add(pending[at]->node());
        return Fail(Error(Code::kAborted, "WAITED_TOO_LONG",
                          fmt::format("the change was made, but its hosts were not seen to be done "
                                      "within {} s: {}; they go on, and \"tallyman command list "
                                      "--node NODE\" shows how far they are",
                                      waiting.at_most->count(), late.text())));
      }
      context.environment().pause(pause);
      pause = std::min(pause * 2, kLongestPause);
    }
    progress.Advance(done + 1);
  }
  if (failed.count() == 0) return {};
  return Fail(FailedPrecondition(
      "COMMANDS_FAILED",
      fmt::format("the change was made, but {} did not do it: {}; \"tallyman node show NODE\" says "
                  "more",
                  Counted(static_cast<int64_t>(failed.count()), "host"), failed.text())));
}

Status WaitUntilDrained(Context& context, const std::vector<std::string>& hosts,
                        const Waiting& waiting) {
  if (!waiting.at_most) return {};
  const Time until = context.environment().clock.Now() + *waiting.at_most;
  auto pause = kFirstPause;
  Progress progress(context, "waiting for hosts", static_cast<int64_t>(hosts.size()));
  for (size_t done = 0; done < hosts.size(); ++done) {
    v1::GetHostRequest request;
    request.set_host(hosts[done]);
    while (true) {
      ASSIGN_OR_RETURN(const auto answer, context.CallUnseen<v1::GetHostResponse>(request));
      const v1::Host& host = answer.host();
      if (!host.has_drain()) {
        return Fail(FailedPrecondition("DRAIN_ENDED",
                                       fmt::format("nobody drains host {} any more", host.name())));
      }
      if (host.drain().drained()) break;
      if (context.environment().clock.Now() >= until) {
        Names late;
        for (const v1::DrainWait& wait : host.drain().waits())
          late.Add(fmt::format("{}: {}", wait.node().empty() ? wait.node_id() : wait.node(),
                               wait.why()));
        if (!host.drain().status_since()) late.Add("the host sent no complete status since");
        return Fail(Error(
            Code::kAborted, "WAITED_TOO_LONG",
            fmt::format("the hosts are being drained, but host {} was not seen to be at rest "
                        "within {} s: {}; it goes on, and \"tallyman host show {}\" shows how far "
                        "it is",
                        host.name(), waiting.at_most->count(), late.text(), host.name())));
      }
      context.environment().pause(pause);
      pause = std::min(pause * 2, kLongestPause);
    }
    progress.Advance(static_cast<int64_t>(done) + 1);
  }
  return {};
}

}  // namespace tallyman::cli
