#include "agent/oci/known_holes.h"

#include <gtest/gtest.h>

namespace tallyman::agent::oci {
namespace {

bool Has(std::string_view version, std::string_view hole, std::string_view changelog = "") {
  return DescribeHoles("runc", version, changelog).find(hole) != std::string::npos;
}

TEST(DescribeHoles, AVersionHasAHoleUntilItsBranchClosesIt) {
  EXPECT_TRUE(Has("runc version 1.1.11", "CVE-2024-21626"));
  EXPECT_FALSE(Has("runc version 1.1.12", "CVE-2024-21626"));
  EXPECT_FALSE(Has("runc version 1.2.0", "CVE-2024-21626"));
  EXPECT_TRUE(Has("runc version 1.1.99", "CVE-2025-31133"));
  EXPECT_TRUE(Has("runc version 1.2.7", "CVE-2025-31133"));
  EXPECT_FALSE(Has("runc version 1.2.8", "CVE-2025-31133"));
  EXPECT_TRUE(Has("runc version 1.3.2", "CVE-2025-31133"));
  EXPECT_FALSE(Has("runc version 1.3.3", "CVE-2025-31133"));
  EXPECT_EQ(DescribeHoles("runc", "runc version 1.4.0", ""), "");
  EXPECT_EQ(DescribeHoles("runc", "runc version 1.10.0", ""), "");
}

TEST(DescribeHoles, APackageMayHaveClosedItAndKeptTheVersion) {
  const std::string debian = "runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2";
  EXPECT_TRUE(Has(debian, "CVE-2024-21626"));
  EXPECT_FALSE(Has(debian, "CVE-2024-21626", "  * CVE-2024-21626: several container breakouts"));
}

TEST(DescribeHoles, NamesTheWayOut) {
  EXPECT_EQ(DescribeHoles("umoci", "umoci version 0.4.6", ""),
            "umoci version 0.4.6 of this host has known vulnerabilities: CVE-2021-29136 (an image "
            "whose root directory is a link leads to the host's files; closed in 0.4.7). Install "
            "such a version or a later one, or a package whose changelog names them");
  EXPECT_EQ(DescribeHoles("umoci", "umoci version 0.4.7+ds-3+b7", ""), "");
}

TEST(DescribeHoles, AVersionThatCannotBeReadIsAnOldOne) {
  EXPECT_NE(DescribeHoles("skopeo", "unknown", ""), "");
  EXPECT_EQ(DescribeHoles("ls", "ls 1", ""), "");
}

TEST(FindKnownHoles, ReadsWhatIsInstalledHere) {
  for (const std::string& hole : FindKnownHoles())
    EXPECT_NE(hole.find(" of this host has known vulnerabilities: CVE-"), std::string::npos)
        << hole;
}

}  // namespace
}  // namespace tallyman::agent::oci
