// What several writes as one transaction promise.
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

using enum Code;

class TogetherContract : public StoreContract {};

TEST_P(TogetherContract, EachWriteIsSeenByWhatFollowsAndAllAreKept) {
  const Status done = store().Together([&](Store& within) -> Result<bool> {
    RETURN_IF_ERROR(Apply(within, fleet_.CreateHost("rack-1")));
    const HostId host = fleet_.host_ids.at("rack-1");
    RETURN_IF_ERROR(Apply(within, fleet_.CreateNode("eth-1", host, fleet_.small)));
    bool found = false;
    RETURN_IF_ERROR(within.Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(const auto node, tx.FindNode("eth-1"));
      found = node.has_value();
      return {};
    }));
    EXPECT_TRUE(found);
    RETURN_IF_ERROR(Apply(within, fleet_.CreateNode("eth-2", host, fleet_.big)));
    return true;
  });
  ASSERT_OK(done);
  EXPECT_EQ(ReadHost(fleet_.host_ids.at("rack-1")).books.node_count, 2);
}

TEST_P(TogetherContract, NothingStaysOfWhatIsNotKept) {
  const std::string before = Everything();
  const auto write = [&](Store& within) { return Apply(within, fleet_.CreateHost("rack-1")); };
  const Status done = store().Together([&](Store& within) -> Result<bool> {
    RETURN_IF_ERROR(write(within));
    return false;
  });
  ASSERT_OK(done);
  EXPECT_EQ(Everything(), before);
  const Status failed = store().Together([&](Store& within) -> Result<bool> {
    RETURN_IF_ERROR(write(within));
    return Fail(InvalidArgument("WRONG", "it is wrong"));
  });
  ExpectRefused(failed, kInvalidArgument, "WRONG");
  EXPECT_EQ(Everything(), before);
  // The connection is as good as before.
  ASSERT_OK(Apply(store(), fleet_.CreateHost("rack-2")));
}

TEST_P(TogetherContract, AWriteThatFailsLeavesNothingAndTheOthersStay) {
  const Status done = store().Together([&](Store& within) -> Result<bool> {
    RETURN_IF_ERROR(Apply(within, fleet_.CreateHost("rack-1")));
    const HostId host = fleet_.host_ids.at("rack-1");
    const auto hosts = fleet_.hosts;
    ChangeSet wrong = fleet_.CreateNode("eth-1", host, fleet_.small);
    wrong.host_updates.front().after.books.node_count += 1;
    ExpectRefused(Apply(within, wrong), kFailedPrecondition, "BOOKS_MISMATCH");
    fleet_.hosts = hosts;
    const Status refused = within.Write(
        [](WriteTx&) -> Status { return Fail(InvalidArgument("WRONG", "it is wrong")); });
    ExpectRefused(refused, kInvalidArgument, "WRONG");
    // The name is still free.
    RETURN_IF_ERROR(Apply(within, fleet_.CreateNode("eth-1", host, fleet_.small)));
    return true;
  });
  ASSERT_OK(done);
  EXPECT_EQ(ReadHost(fleet_.host_ids.at("rack-1")).books, (Books{1, kSmall}));
}

TEST_P(TogetherContract, AnImageThatWasNotKeptIsNotRemembered) {
  Image image = fleet_.small;
  image.id = fleet_.ids.New<ImageId>();
  image.build = 7;
  image.committed_at = fleet_.Tick();
  const auto find = [&](ReadTx& tx) { return tx.FindImage(image.id); };
  const Status done = store().Together([&](Store& within) -> Result<bool> {
    ChangeSet changes;
    changes.new_images = {image};
    RETURN_IF_ERROR(Apply(within, std::move(changes)));
    RETURN_IF_ERROR(within.Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(const auto found, find(tx));
      EXPECT_NE(found, nullptr);
      return {};
    }));
    return false;
  });
  ASSERT_OK(done);
  EXPECT_EQ(Read(find), nullptr);
}

TEST_P(TogetherContract, CannotBeginWithinItself) {
  const Status nested = store().Together([](Store& within) -> Result<bool> {
    RETURN_IF_ERROR(within.Together([](Store&) -> Result<bool> { return true; }));
    return true;
  });
  ExpectRefused(nested, kInternal, "TOGETHER_WITHIN");
}

RUN_ON_ALL_BACKENDS(TogetherContract);

}  // namespace
}  // namespace tallyman
