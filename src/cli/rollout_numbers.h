// The numbers of a rollout as options, which several requests have.
#pragma once

#include <functional>
#include <string>

#include "cli/requests.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman::cli {

// "2m", "90s", "1h".
std::string FormatSpan(const google::protobuf::Duration& span);

// Takes each item of a list such as "2,10%,100%".
Status ReadItems(const std::string& text, const std::function<Status(std::string item)>& take);

// "eth-1, eth-2 and 7 more".
std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names, int64_t count);

// --stages, --pause-after, --max-failures, --max-in-flight, --per-host, --soak, --begin-within,
// --healthy-within, --no-progress.
template <class Message>
void AddRolloutNumbers(Word verb, Message& message) {
  const Reader add_stages = [&message](const auto& name, const auto& text) {
    return ReadItems(text, [&](std::string stage) -> Status {
      const bool is_percent = stage.ends_with('%');
      if (is_percent) stage.pop_back();
      ASSIGN_OR_RETURN(const int64_t amount, ParsePositive(name, stage, INT64_MAX));
      v1::RolloutStage& added = *message.add_stages();
      is_percent ? added.set_percent(amount) : added.set_nodes(amount);
      return {};
    });
  };
  verb.Value("--stages", "N,N%", add_stages,
             "How far it has come after each wave: nodes, or percent of all,\n"
             "rounded up (default: 1,10%,100%)");
  const Reader add_pauses = [&message](const auto& name, const auto& text) {
    return ReadItems(text, [&](const std::string& item) -> Status {
      ASSIGN_OR_RETURN(const int64_t wave, ParsePositive(name, item, INT64_MAX));
      message.add_pause_after(wave);
      return {};
    });
  };
  verb.Value("--pause-after", "WAVE,WAVE", add_pauses, "Pause after these waves, from 1");
  verb.Value(
      "--max-failures", "N",
      [&message](const auto& name, const auto& text) -> Status {
        ASSIGN_OR_RETURN(const int64_t count, ParseCount(name, text));
        message.set_max_failures(count);
        return {};
      },
      "More pause it: of each wave after the first, which may have none\n"
      "(default: 1% of the wave, rounded down)");
  verb.Number("--max-in-flight", message, &Message::set_max_in_flight,
              "Nodes whose hosts are at work on them (default: a tenth of all, 500 at most)");
  verb.Number("--per-host", message, &Message::set_per_host, "The same on each host (default: 1)");
  AddSpan(verb, "--soak", message, &Message::mutable_soak,
          "A node is healthy once it has run so long without a restart (default: 2m)");
  AddSpan(verb, "--begin-within", message, &Message::mutable_begin_within,
          "A host that has not begun by then does not, and the node waits\nagain (default: 5m)");
  AddSpan(verb, "--healthy-within", message, &Message::mutable_healthy_within,
          "A node that is not healthy so long after its host began, and its\n"
          "soak, has failed (default: 30m)");
  AddSpan(verb, "--no-progress", message, &Message::mutable_no_progress,
          "Pause when no node was released or judged for so long (default: 1h)");
}

}  // namespace tallyman::cli
