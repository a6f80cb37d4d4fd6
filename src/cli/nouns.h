// The nouns of the command line; each has a file of its own, with its verbs and all that they do.
#pragma once

#include "cli/words.h"

namespace tallyman::cli {

void DefineNode(Word root);
void DefineOrg(Word root);
void DefineRegion(Word root);
void DefineHost(Word root);
void DefineProtocol(Word root);
void DefineImage(Word root);
void DefineRollout(Word root);
void DefinePolicy(Word root);
void DefineStatus(Word root);
void DefineTop(Word root);
void DefineAudit(Word root);
void DefineLedger(Word root);
void DefineEvents(Word root);
void DefineCommand(Word root);
void DefineToken(Word root);
void DefineWhoAmI(Word root);
void DefineContext(Word root);
void DefineDatabase(Word root);
void DefineImport(Word root);
void DefineApply(Word root);
void DefineDiff(Word root);
void DefineExport(Word root);
void DefineCompletion(Word root);
void DefineManual(Word root, const std::string& version);

// Verbs of "host".
void DefineHostClaims(Word host);
void DefineHostDrain(Word host);

// Verbs of "node".
void DefineNodeLogs(Word node);
void DefineNodeChanges(Word node);

}  // namespace tallyman::cli
