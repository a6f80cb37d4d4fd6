#include "tests/cli/program.h"

namespace tallyman {

const bool kViaServer = true;

}  // namespace tallyman
