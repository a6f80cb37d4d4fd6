#include "tests/cli/program.h"

namespace tallyman {

const bool kViaServer = false;

}  // namespace tallyman
