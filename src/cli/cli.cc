#include "cli/cli.h"

#include <fmt/core.h>

#include <exception>

#include "base/text.h"
#include "cli/context.h"
#include "cli/document.h"
#include "cli/errors.h"
#include "cli/format.h"
#include "cli/parse.h"
#include "cli/words.h"

namespace tallyman::cli {
namespace {

void ShowError(CliEnvironment& environment, OutputFormat format, const Error& error,
               int exit_status, const OpenChange& open,
               const std::vector<v1::Warning>& warnings = {}) {
  environment.out.flush();
  if (format == OutputFormat::kJson) {
    environment.err << ToJsonText(ErrorDocument(error, exit_status, open, warnings));
  } else if (format == OutputFormat::kYaml) {
    environment.err << ToYamlText(ErrorDocument(error, exit_status, open, warnings));
  } else if (error.reason == kNoCommand) {
    environment.err << error.message;
  } else {
    environment.err << ErrorText(error, open,
                                 environment.err_is_terminal && environment.colour_allowed);
  }
}

// Of an error that no command had a hand in.
int ShowError(CliEnvironment& environment, OutputFormat format, const Error& error) {
  const int exit_status = RowOf(error.code).exit_status;
  ShowError(environment, format, error, exit_status, {});
  return exit_status;
}

// For people, beside the answer: whatever is shown of that.
void ShowWarnings(CliEnvironment& environment, const std::vector<v1::Warning>& warnings) {
  environment.out.flush();
  const bool colour_on = environment.err_is_terminal && environment.colour_allowed;
  for (const v1::Warning& warning : warnings) {
    environment.err << Paint(fmt::format("warning: {} ({})", Printable(warning.message()),
                                         warning.reason()),
                             Colour::kYellow, colour_on)
                    << '\n';
  }
}

// What was done cannot be shown.
Error OutputFailed(const Context& context) {
  constexpr const char* kFailed = "could not be written to standard output";
  const std::vector<Context::Change>& changes = context.changes();
  if (changes.empty() && !context.done().empty()) {
    return Internal("OUTPUT_FAILED",
                    fmt::format("it was done, but the answer {}: {}", kFailed, context.done()));
  }
  if (changes.empty())
    return Internal("OUTPUT_FAILED", fmt::format("the answer {}; nothing was changed", kFailed));
  const Context::Change& last = changes.back();
  if (changes.size() > 1 || last.request_id != context.last_request_id()) {
    return Internal(
               "OUTPUT_FAILED",
               fmt::format(
                   "{} carried out, the last {} under the request id {}, but the answer "
                   "{}: \"tallyman audit trail\" lists what was done",
                   Counted(static_cast<int64_t>(changes.size()), "request was", "requests were"),
                   last.method, last.request_id, kFailed))
        .With("request_id", last.request_id);
  }
  return Internal(
             "OUTPUT_FAILED",
             fmt::format("{} was carried out under the request id {}, but its answer {}: repeat "
                         "the command with --request-id {} to see the answer; it happens only "
                         "once",
                         last.method, last.request_id, kFailed, last.request_id))
      .With("request_id", last.request_id);
}

Status CheckArguments(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (!IsUtf8(arguments[i])) {
      return Fail(InvalidArgument("INVALID_TEXT", fmt::format("argument {} is {}: it is not UTF-8",
                                                              i + 1, Quote(arguments[i]))));
    }
  }
  return {};
}

int Run(const std::vector<std::string>& arguments, CliEnvironment& environment) {
  const OutputFormat format = GuessOutputFormat(arguments);
  if (const Status valid = CheckArguments(arguments); !valid) {
    return ShowError(environment, format, valid.error());
  }
  auto parsed = ParseCommandLine(arguments, environment);
  if (!parsed) return ShowError(environment, format, parsed.error());
  // Who sets it asks for it; the zone of the machine alone says nothing about who reads.
  if (!environment.variable("TZ").value_or("").empty()) ShowTimesByTz();
  Context context(environment, parsed->globals);
  ExitStatus result = kExitDone;
  if (parsed->action) {
    result = parsed->action(context);
  } else {
    environment.out << parsed->text;
  }
  if (context.is_table()) ShowWarnings(environment, context.warnings());
  environment.out.flush();
  if (result && !environment.out) {
    const bool unread = environment.reader_is_gone && environment.reader_is_gone();
    if (unread && context.changes().empty() && context.done().empty()) return kExitUnread;
    result = Fail(OutputFailed(context));
  }
  if (result) return *result;
  const int exit_status = context.ExitStatusOf(result.error());
  ShowError(environment, parsed->globals.output, result.error(), exit_status, context.open_change(),
            context.warnings());
  return exit_status;
}

}  // namespace

int RunCli(int argc, const char* const* argv, CliEnvironment& environment) {
  try {
    return Run(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc), environment);
  } catch (const std::exception& e) {
    return ShowError(environment, OutputFormat::kTable,
                     Internal("UNEXPECTED", fmt::format("unexpected: {}", e.what())));
  }
}

}  // namespace tallyman::cli
