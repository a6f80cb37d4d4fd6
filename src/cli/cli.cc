#include "cli/cli.h"

#include <fmt/core.h>

#include <exception>

#include "base/text.h"
#include "cli/context.h"
#include "cli/document.h"
#include "cli/errors.h"
#include "cli/parse.h"
#include "cli/words.h"

namespace tallyman::cli {
namespace {

void ShowError(CliEnvironment& environment, OutputFormat format, const Error& error,
               int exit_status, const std::string& request_id) {
  environment.out.flush();
  if (format == OutputFormat::kJson) {
    environment.err << ToJsonText(ErrorDocument(error, exit_status));
  } else if (format == OutputFormat::kYaml) {
    environment.err << ToYamlText(ErrorDocument(error, exit_status));
  } else if (error.reason == kNoCommand) {
    environment.err << error.message;
  } else {
    environment.err << ErrorText(error, request_id,
                                 environment.err_is_terminal && environment.colour_allowed);
  }
}

// Of an error that no command had a hand in.
int ShowError(CliEnvironment& environment, OutputFormat format, const Error& error) {
  const int exit_status = RowOf(error.code).exit_status;
  ShowError(environment, format, error, exit_status, {});
  return exit_status;
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
  if (!parsed->action) {
    environment.out << parsed->text;
    return kExitDone;
  }
  Context context(environment, parsed->globals);
  const ExitStatus result = parsed->action(context);
  if (!result) {
    const int exit_status = context.ExitStatusOf(result.error());
    ShowError(environment, parsed->globals.output, result.error(), exit_status,
              context.last_request_id());
    return exit_status;
  }
  environment.out.flush();
  if (!environment.out) {
    return ShowError(
        environment, format,
        Internal("OUTPUT_FAILED", "the answer could not be written to standard output"));
  }
  return *result;
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
