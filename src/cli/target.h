// Where the calls of a command go: to a server, or to a database in this process.
//
// What is typed goes before the environment, and that before the file with contexts:
//   1. --db or --server or --context
//   2. TALLYMAN_DB or TALLYMAN_SERVER or TALLYMAN_CONTEXT
//   3. the current context
// More than one of a line is refused: nobody should change another fleet than the one meant. The
// token goes: --token, --token-file, TALLYMAN_TOKEN, the context; and --ca, the context.
#pragma once

#include "cli/cli.h"
#include "cli/context.h"

namespace tallyman::cli {

// INVALID_ARGUMENT, reason NO_DATABASE where nothing is named, AMBIGUOUS_TARGET where too much is,
// and others that name the option.
Result<ConnectOptions> FindTarget(Context& context);

}  // namespace tallyman::cli
