// Streams of events through the public door.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>

#include "support/api_room.h"
#include "support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::api;
using namespace tallyman::store;

constexpr const char* kWatch = "tallyman.v1.EventService/WatchEvents";

// A stream and what it gave, as one reader would see it.
class Watching {
 public:
  Watching(const Dispatcher& dispatcher, const Actor& actor, const std::string& filter,
           const std::string& after) {
    v1::WatchEventsRequest request;
    request.set_filter(filter);
    request.set_after(after);
    auto opened = dispatcher.OpenStream(kWatch, request, {.actor = actor, .address = ""}, [this] {
      std::lock_guard lock(mutex_);
      ready_ = true;
      changed_.notify_one();
    });
    if (!opened) {
      error = opened.error();
      return;
    }
    stream_ = std::move(*opened);
  }

  // Reads until `count` events were seen or the stream ended; false after ten seconds without news.
  bool ReadUntil(size_t count) {
    while (events.size() < count && !error) {
      auto messages = stream_->Next(3);
      if (!messages) {
        error = messages.error();
        return false;
      }
      for (const auto& message : *messages) {
        const auto& response = static_cast<const v1::WatchEventsResponse&>(message->message());
        if (response.has_event()) events.push_back(response.event());
        cursor = response.cursor();
        ++messages_seen;
      }
      if (messages->empty() && !Wait()) return false;
    }
    return !error;
  }
  bool Greeted() {
    auto messages = stream_->Next(3);
    if (messages && messages->size() == 1) {
      cursor = static_cast<const v1::WatchEventsResponse&>((*messages)[0]->message()).cursor();
    }
    return messages && messages->size() == 1;
  }
  // Nothing is there and nothing was announced.
  bool Silent() {
    auto messages = stream_->Next(3);
    std::lock_guard lock(mutex_);
    return messages && messages->empty() && !ready_;
  }
  std::string Heartbeat() {
    return static_cast<const v1::WatchEventsResponse&>(stream_->Heartbeat()->message()).cursor();
  }
  std::vector<std::string> Kinds() const {
    std::vector<std::string> kinds;
    for (const v1::Event& event : events) kinds.push_back(event.kind());
    return kinds;
  }

  std::vector<v1::Event> events;
  std::string cursor;
  int messages_seen = 0;
  std::optional<Error> error;

 private:
  bool Wait() {
    std::unique_lock lock(mutex_);
    bool news = changed_.wait_for(lock, std::chrono::seconds(10), [this] { return ready_; });
    ready_ = false;
    return news;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool ready_ = false;
  std::unique_ptr<MessageStream> stream_;  // last: it may ring until it is gone
};

// Throws where a store would give an error, while it is told to.
class FaultyStore final : public Store {
 public:
  explicit FaultyStore(Store& store) : store_(store) {}
  Status Read(const std::function<Status(ReadTx&)>& body) override {
    if (throws) throw std::runtime_error("the disk sang");
    return store_.Read(body);
  }
  Status Write(const std::function<Status(WriteTx&)>& body) override { return store_.Write(body); }
  Status Together(const std::function<Result<bool>(Store& within)>& body) override {
    return store_.Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_.Now(); }
  std::atomic<bool> throws{false};

 private:
  Store& store_;
};

using Words = std::vector<std::string>;

class Watch : public ::testing::Test {
 protected:
  Watch() {
    room.AddFleet(2);
    room.AddImage("1.0.0", Needs(2, 8, 100));
    room.AddImage("2.0.0", Needs(4, 16, 200));
  }
  void MakeDispatcher(EventFeedOptions options = {}) {
    dispatcher = std::make_unique<Dispatcher>(*room.control, options);
  }
  template <class Response, class Request>
  void Must(const std::string& method, const Request& request) {
    std::promise<Result<Reply>> promise;
    dispatcher->Dispatch("tallyman.v1." + method, request, {.actor = room.actor, .address = ""},
                         [&](Result<Reply> reply) { promise.set_value(std::move(reply)); });
    ASSERT_OK(promise.get_future().get());
  }
  void Create(const std::string& name, const std::string& host, const std::string& org = "acme") {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@1.0.0");
    request.set_org(org);
    request.set_name(name);
    auto* on = request.mutable_by_hosts()->add_hosts();
    on->set_host(host);
    on->set_count(1);
    Must<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  }
  Watching Open(const std::string& filter = "", const std::string& after = "") {
    return Watching(*dispatcher, room.actor, filter, after);
  }
  // As ListEvents has them.
  std::vector<std::string> AllIds() {
    std::vector<std::string> ids;
    for (const v1::Event& event : room.Events("")) ids.push_back(event.id());
    return ids;
  }

  ApiRoom room;
  std::unique_ptr<Dispatcher> dispatcher;
};

TEST_F(Watch, ShowsWhatHappensFromNowOn) {
  MakeDispatcher();
  Watching watching = Open();
  Create("n-1", "host-1");
  ASSERT_TRUE(watching.ReadUntil(1));
  EXPECT_EQ(watching.Kinds(), Words{"node_created"});
  EXPECT_EQ(watching.events[0].node(), "n-1");
  EXPECT_EQ(watching.events[0].host(), "host-1");
  EXPECT_EQ(watching.cursor, watching.events[0].id());
  EXPECT_EQ(watching.messages_seen, 2) << "the first message only says where the stream is";
  EXPECT_TRUE(watching.Silent());
}

TEST_F(Watch, HearsOfChangesWithoutWaitingForThePoll) {
  MakeDispatcher({.ring_max = 100, .page_max = 10, .poll = std::chrono::hours(1)});
  Watching watching = Open();
  Create("n-1", "host-1");
  EXPECT_TRUE(watching.ReadUntil(1));
}

TEST_F(Watch, HearsOfWhatOthersWrite) {
  MakeDispatcher();
  Watching watching = Open();
  ASSERT_OK(room.Create("n-1", "host-1", "1.0.0"));  // another dispatcher
  EXPECT_TRUE(watching.ReadUntil(1));
}

TEST_F(Watch, GoesOnBehindACursorAndMissesNothing) {
  MakeDispatcher({.ring_max = 4, .page_max = 2, .poll = std::chrono::milliseconds(20)});
  for (int i = 1; i <= 9; ++i) Create("n-" + std::to_string(i), "host-1");
  Watching all = Open("", "0");
  auto ids = AllIds();
  ASSERT_TRUE(all.ReadUntil(ids.size()));
  // From every place, while more is written.
  for (size_t from = 0; from < ids.size(); ++from) {
    Watching watching = Open("", ids[from]);
    Create("late-" + std::to_string(from), "host-2");
    ASSERT_TRUE(watching.ReadUntil(ids.size() - from)) << from;
    std::vector<std::string> seen;
    for (const v1::Event& event : watching.events) seen.push_back(event.id());
    auto wanted = AllIds();
    wanted.erase(wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(from) + 1);
    wanted.resize(seen.size());
    EXPECT_EQ(seen, wanted);
    ids.push_back(AllIds().back());
    if (from > 12) break;
  }
}

TEST_F(Watch, ShowsWhatTheFilterAsksFor) {
  MakeDispatcher();
  Watching one = Open("node=n-2");
  Watching host = Open("host=host-2 kind=node_created");
  Watching other = Open("host!=host-2");
  Create("n-1", "host-1");
  Create("n-2", "host-2");
  Create("n-3", "host-1");
  ASSERT_TRUE(one.ReadUntil(1));
  EXPECT_EQ(one.events[0].node(), "n-2");
  ASSERT_TRUE(host.ReadUntil(1));
  EXPECT_EQ(host.events[0].node(), "n-2");
  ASSERT_TRUE(other.ReadUntil(2));
  EXPECT_EQ(other.events[1].node(), "n-3");
  EXPECT_TRUE(one.Silent());
}

TEST_F(Watch, RefusesAWrongFilterAndAWrongCursor) {
  MakeDispatcher();
  EXPECT_EQ(Open("colour=red").error->reason, "INVALID_FILTER");
  EXPECT_EQ(Open("", "yesterday").error->reason, "INVALID_CURSOR");
  EXPECT_EQ(Open("", "-1").error->reason, "INVALID_CURSOR");
  EXPECT_EQ(Open("", "999999").error->reason, "INVALID_CURSOR");
}

// The one thread that reads for all streams.
TEST_F(Watch, GoesOnAfterAReadThatThrew) {
  MakeDispatcher();
  FaultyStore store(*room.store);
  SeededRandom random{7};
  MemoryLog log;
  control::Control control(store, room.clock, random, log, room.metrics);
  const Dispatcher faulty(control, {.poll = std::chrono::milliseconds(1)});
  Watching watching(faulty, room.actor, "kind=node_created", "");
  ASSERT_TRUE(watching.Greeted());
  store.throws = true;
  Create("n", "host-1");
  EXPECT_TRUE(WaitUntil([&] { return !log.lines().empty(); }));
  store.throws = false;
  EXPECT_TRUE(watching.ReadUntil(1));
  EXPECT_EQ(log.lines()[0].event, "events_unreadable");
}

TEST_F(Watch, ShowsAnOrgItsOwnEventsOnly) {
  MakeDispatcher();
  v1::CreateOrgRequest request;
  request.set_name("rival");
  auto created = room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", request);
  ASSERT_OK(created);
  Actor viewer{.id = "v", .org_id = OrgId::Parse(created->org().id()), .role = Role::kViewer};
  Watching live(*dispatcher, viewer, "", "");
  Create("n-1", "host-1");
  Create("n-2", "host-1", "rival");
  Create("n-3", "host-1");
  ASSERT_TRUE(live.ReadUntil(1));
  EXPECT_EQ(live.events[0].node(), "n-2");
  Watching past(*dispatcher, viewer, "", "0");
  ASSERT_TRUE(past.ReadUntil(2));
  EXPECT_EQ(past.Kinds(), (Words{"org_created", "node_created"}));
  EXPECT_TRUE(past.Silent());
}

TEST_F(Watch, EndsAReaderThatFallsBehindAndSaysWhereToGoOn) {
  MakeDispatcher({.ring_max = 3, .page_max = 10, .poll = std::chrono::milliseconds(20)});
  Watching slow = Open(), quick = Open();
  Create("n-0", "host-1");
  ASSERT_TRUE(slow.ReadUntil(1));
  ASSERT_TRUE(quick.ReadUntil(1));
  for (int i = 1; i <= 8; ++i) {
    Create("n-" + std::to_string(i), "host-1");
    ASSERT_TRUE(quick.ReadUntil(static_cast<size_t>(i) + 1));
  }
  EXPECT_FALSE(slow.ReadUntil(9));
  ASSERT_TRUE(slow.error.has_value());
  EXPECT_EQ(slow.error->code, Code::kAborted);
  EXPECT_EQ(slow.error->reason, "STREAM_TOO_SLOW");
  EXPECT_EQ(slow.error->Fact("cursor"), slow.cursor);
  Watching again = Open("", std::string(slow.error->Fact("cursor")));
  ASSERT_TRUE(again.ReadUntil(8));
  EXPECT_EQ(again.events.back().node(), "n-8");
}

TEST_F(Watch, IsNotEndedByEventsThatItDidNotAskFor) {
  MakeDispatcher({.ring_max = 3, .page_max = 10, .poll = std::chrono::milliseconds(20)});
  Watching quiet = Open("node=n-9"), all = Open();
  ASSERT_TRUE(quiet.Greeted());
  EXPECT_TRUE(quiet.Silent());
  for (int i = 1; i <= 9; ++i) {
    Create("n-" + std::to_string(i), "host-1");
    ASSERT_TRUE(all.ReadUntil(static_cast<size_t>(i)));
  }
  ASSERT_TRUE(quiet.ReadUntil(1)) << quiet.error->message;
  EXPECT_EQ(quiet.events[0].node(), "n-9");
  EXPECT_EQ(quiet.Heartbeat(), quiet.cursor);
}

TEST_F(Watch, EndsWithTheServerAndSaysWhereToGoOn) {
  MakeDispatcher();
  Watching watching = Open();
  Create("n-1", "host-1");
  ASSERT_TRUE(watching.ReadUntil(1));
  EXPECT_TRUE(watching.Silent());
  dispatcher->StopStreams();
  EXPECT_FALSE(watching.ReadUntil(2));
  EXPECT_EQ(watching.error->code, Code::kUnavailable);
  EXPECT_EQ(watching.error->reason, "SERVER_STOPPING");
  EXPECT_EQ(watching.error->Fact("cursor"), watching.cursor);
  Watching late = Open();
  EXPECT_FALSE(late.ReadUntil(1));
  EXPECT_EQ(late.error->reason, "SERVER_STOPPING");
  dispatcher.reset();  // while a stream is still there
}

TEST_F(Watch, SaysWhyItCannotReadOn) {
  MakeDispatcher({.ring_max = 3, .page_max = 10, .poll = std::chrono::milliseconds(20)});
  Create("n-1", "host-1");
  room.Sql("UPDATE events SET kind = 'nonsense'");
  Watching watching = Open("", "0");
  EXPECT_FALSE(watching.ReadUntil(1));
  ASSERT_TRUE(watching.error.has_value());
  EXPECT_EQ(watching.error->code, Code::kDataLoss);
}

}  // namespace
}  // namespace tallyman
