// What people type, paste and expect on their first day.
#include <gmock/gmock.h>

#include <future>
#include <sstream>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class HabitsTest : public ProgramTest {
 protected:
  // Those that stand behind `before` in a text up to `after`, as they were wrapped, without spaces.
  static std::string Words(const std::string& text, const std::string& before,
                           const std::string& after) {
    const size_t begin = text.find(before);
    if (begin == std::string::npos) return "no " + before;
    const size_t end = text.find(after, begin);
    std::string words = text.substr(begin + before.size(), end - begin - before.size());
    std::erase_if(words, [](char c) { return c == ' ' || c == '\n'; });
    return words;
  }
};

TEST_F(HabitsTest, NamesAreListedAsPeopleCount) {
  CreateSmallFleet();
  Must({"node", "create", "n-10", "n-9", "m-2", "--image", "p/v@1.0.0", "--host", "h2"});
  EXPECT_EQ(Must({"-q", "node", "list"}).out, "m-2\nn-1\nn-9\nn-10\n");
  EXPECT_EQ(Must({"-q", "node", "list", "--order-by", "name"}).out, "m-2\nn-1\nn-9\nn-10\n");
  // Of a part, the order says which part it is.
  EXPECT_EQ(Must({"-q", "node", "list", "--limit", "3"}).out, "m-2\nn-1\nn-10\n");
  EXPECT_EQ(Must({"-q", "node", "list", "--order-by", "name desc"}).out, "n-9\nn-10\nn-1\nm-2\n");
  const std::string shown = Must({"host", "show", "h2"}).out;
  EXPECT_LT(shown.find("n-9 "), shown.find("n-10 "));
  const std::string json = Must({"node", "list", "-o", "json"}).out;
  EXPECT_LT(json.find("\"n-10\""), json.find("\"n-9\"")) << "documents have the server's order";
}

TEST_F(HabitsTest, QuietListsGiveNamesOnly) {
  CreateSmallFleet();
  EXPECT_EQ(Must({"-q", "host", "list"}).out, "h1\nh2\n");
  EXPECT_EQ(Must({"-q", "image", "list"}).out, "p/v@1.0.0+1\np/v@2.0.0+1\np/v@3.0.0+1\n");
  EXPECT_EQ(Must({"-q", "org", "list", "--filter", "name=zz"}).out, "");
  Must({"org", "create", "beta", "--request-id", "r-1"});
  EXPECT_EQ(Must({"-q", "audit", "trail", "--limit", "1"}).out, "r-1\n");
}

TEST_F(HabitsTest, TablesHaveTheColumnsThatAreAskedFor) {
  CreateSmallFleet();
  EXPECT_EQ(Must({"node", "list", "--columns", "state,node,region"}).out,
            "STATE     NODE  REGION\nstarting  n-1   eu\n");
  EXPECT_EQ(Must({"host", "list", "--columns", "host,cpu_free,disk"}).out,
            "HOST  FREE  DISK\nh1      24  8 TB\nh2      32  8 TB\n");
  const std::string narrow = Must({"host", "list"}).out;
  const std::string wide = Must({"host", "list", "-o", "wide"}).out;
  EXPECT_THAT(narrow, Not(HasSubstr("HEARD")));
  EXPECT_THAT(wide, AllOf(HasSubstr("CPU USED"), HasSubstr("HEARD"), HasSubstr("ID\n")));
  EXPECT_EQ(Tallyman({"host", "list", "--columns", "host,"}).status, 2);
}

TEST_F(HabitsTest, EventsAndTheLedgerHaveColumnsToo) {
  CreateSmallFleet();
  EXPECT_EQ(Must({"events", "--kind", "node_created", "--columns", "node,kind,org"}).out,
            "NODE  KIND          ORG\nn-1   node_created  acme\n");
  EXPECT_THAT(Must({"events", "--tail", "1", "--columns", "cursor"}).out, HasSubstr("CURSOR\n"));
  EXPECT_THAT(Must({"events"}).out, Not(HasSubstr("CURSOR")));
  EXPECT_THAT(Must({"events", "-o", "wide"}).out, HasSubstr("REQUEST"));
  EXPECT_THAT(Must({"ledger", "host", "h1", "--columns", "seq,node,cpu"}).out,
              HasSubstr("SEQ  NODE     CPU\n  1  n-1   +8 = 8\n\n1 entry sums up to 1 node"));
  EXPECT_THAT(Must({"ledger", "node", "n-1", "-o", "wide"}).out, HasSubstr("HOST ID"));
  for (const std::vector<std::string>& refused :
       {std::vector<std::string>{"events", "--columns", "price"},
        {"events", "--columns", "time", "-o", "json"},
        {"events", "--columns", "time", "--follow", "--after", "0", "--limit", "1"},
        {"ledger", "host", "h1", "--columns", "price"},
        {"ledger", "node", "n-1", "--columns", "seq", "-o", "yaml"}}) {
    const Ran ran = Tallyman(refused);
    EXPECT_EQ(ran.status, 2) << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("--columns"));
  }
}

TEST_F(HabitsTest, ColumnsAreCompletedOneByOne) {
  Write("completion", Must({"completion", "bash"}).out);
  const auto complete = [&](const std::string& words) {
    return RunProgram("bash",
                      {"-c",
                       "source \"$0\"; COMP_WORDS=(tallyman " + words +
                           "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tallyman; echo "
                           "${COMPREPLY[*]}",
                       PathOf("completion")},
                      {"PATH=/usr/bin:/bin"})
        .out;
  };
  EXPECT_EQ(complete("node list --columns regi"), "region\n");
  EXPECT_EQ(complete("host list --columns host,cpu_"), "host,cpu_used host,cpu_free\n");
  EXPECT_EQ(complete("events --node n-1 --columns time,c"), "time,cursor\n");
  EXPECT_EQ(complete("ledger node n-1 --columns ho"), "host host_id\n");
  EXPECT_EQ(complete("ledger host --he"), "--help\n");
  EXPECT_THAT(Must({"completion", "fish"}).out,
              HasSubstr("-l columns -x -a \"(__fish_complete_list , 'string split , seq,time,"));
}

// Who sets TZ asks for it; documents are for programs.
TEST_F(HabitsTest, TimesAreShownInTheZoneThatIsAskedFor) {
  CreateSmallFleet();
  const auto list = [&](const std::string& zone, const std::vector<std::string>& options) {
    std::vector<std::string> words = {"node", "list", "--db", "sqlite:" + database()};
    words.insert(words.end(), options.begin(), options.end());
    return RunProgram(TALLYMAN_PROGRAM, words, {"TZ=" + zone}).out;
  };
  const std::vector<std::string> times = {"--columns", "created"};
  std::string shown = list("IST-5:30", times);
  shown = shown.substr(shown.find('\n') + 1);
  ASSERT_EQ(shown.substr(19), "+05:30\n");
  shown.pop_back();
  EXPECT_THAT(list("NST3:30", times), HasSubstr("-03:30\n"));
  for (const char* utc : {"", "UTC"}) EXPECT_THAT(list(utc, times), HasSubstr("Z\n"));
  EXPECT_EQ(list("IST-5:30", {"-o", "json"}), list("", {"-o", "json"}));
  // It can be pasted.
  EXPECT_EQ(list("", {"-q", "--filter", "created_at>=\"" + shown + "\""}), "n-1\n");
  EXPECT_EQ(list("", {"-q", "--filter", "created_at<\"" + shown + "\""}), "");
}

TEST_F(HabitsTest, DatesFilter) {
  CreateSmallFleet();
  EXPECT_EQ(Must({"-q", "node", "list", "--filter", "created_at>=2020-01-01"}).out, "n-1\n");
  EXPECT_THAT(Must({"node", "list", "--filter", "created_at>=2999-01-01"}).out,
              HasSubstr("No node matches."));
  EXPECT_EQ(Must({"-q", "node", "list", "--filter", "created_at<\"2999-01-01 12:00:00\""}).out,
            "n-1\n");
  const Ran refused = Tallyman({"node", "list", "--filter", "created_at>=yesterday"});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("which is not a time: write 2026-03-01"));
}

TEST_F(HabitsTest, WhatAFilterDidNotFindIsNotCalledMissing) {
  Must({"db", "migrate"});
  EXPECT_THAT(Must({"image", "list"}).out, HasSubstr("There are no images"));
  EXPECT_EQ(Must({"image", "list", "--protocol", "zz"}).out, "No image matches.\n");
}

TEST_F(HabitsTest, TheHelpOfAListNamesAllFieldsThatWork) {
  Must({"db", "migrate"});
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"org", "list"},
                                             {"region", "list"},
                                             {"host", "list"},
                                             {"protocol", "list"},
                                             {"protocol", "versions"},
                                             {"image", "list"},
                                             {"node", "list"},
                                             {"command", "list"},
                                             {"token", "list"},
                                             {"audit", "trail"}}) {
    auto with = [&](std::vector<std::string> more) {
      more.insert(more.begin(), words.begin(), words.end());
      return Tallyman(more);
    };
    const std::string help = with({"--help"}).out;
    for (const auto& [option, value, before, after] :
         {std::tuple("--order-by", "zz", "descending order; fields:", "--limit"),
          std::tuple("--filter", "zz=1", "< <= > >=; fields:", "--order-by")}) {
      EXPECT_EQ(Words(help, before, after), Words(with({option, value}).err, "there is: ", "\n"))
          << words[0] << " " << option;
    }
  }
}

TEST_F(HabitsTest, TheNewestEventsComeLast) {
  Must({"db", "migrate"});
  for (const char* org : {"a", "b", "c"}) Must({"org", "create", org});
  const std::string tail = Must({"events", "--tail", "2"}).out;
  EXPECT_THAT(tail, AllOf(Not(HasSubstr("org a ")), HasSubstr("org b ")));
  EXPECT_LT(tail.find("org b "), tail.find("org c "));
  EXPECT_THAT(Must({"events", "--since", "1h"}).out, HasSubstr("org a "));
  EXPECT_EQ(Must({"events", "--since", "2999-01-01"}).out, "No event matches.\n");
  EXPECT_EQ(Tallyman({"events", "--tail", "2", "--limit", "2"}).status, 2);
  EXPECT_EQ(Tallyman({"events", "--since", "1h", "--order-by", "time"}).status, 2);
}

TEST_F(HabitsTest, FollowersBeginWithTheNewestEvents) {
  Must({"db", "migrate"});
  for (const char* org : {"a", "b", "c"}) Must({"org", "create", org});
  EXPECT_THAT(Must({"events", "--tail", "2", "--follow", "--limit", "2"}).err, "");
  const std::string both = Must({"events", "--since", "1h", "--follow", "--limit", "2"}).out;
  EXPECT_THAT(both, AllOf(HasSubstr("org a "), HasSubstr("org b "), Not(HasSubstr("org c "))));
  auto follower = std::async(std::launch::async, [&] {
    return Tallyman({"events", "--tail", "1", "--follow", "--limit", "2"});
  });
  // Whichever of them the follower sees first, it sees it once and then the next one.
  for (int i = 0; follower.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready;
       ++i)
    Must({"org", "create", "o-" + std::to_string(i)});
  std::istringstream lines(follower.get().out);
  std::string first, second, more;
  std::getline(lines, first);
  std::getline(lines, second);
  EXPECT_THAT(first, HasSubstr("org"));
  EXPECT_THAT(second, HasSubstr("org"));
  EXPECT_NE(first, second);
  EXPECT_FALSE(std::getline(lines, more));
}

TEST_F(HabitsTest, WordsThatPeopleTryFirst) {
  EXPECT_EQ(Must({"version"}).out, Must({"--version"}).out);
  EXPECT_THAT(Must({"version", "-o", "json"}).out, HasSubstr("\"version\": \""));
  Must({"db", "migrate"});
  EXPECT_THAT(Must({"apply", Write("f.yaml", "orgs: [acme]\n")}).out, HasSubstr("Applied: 1 new"));
  EXPECT_THAT(Tallyman({"apply"}).err, HasSubstr("no fleet file is named"));
  EXPECT_EQ(Tallyman({"apply", "a", "-f", "b"}).status, 2);
}

TEST_F(HabitsTest, AForgottenUnitIsNoHostOfSixteenBytes) {
  Must({"db", "migrate"});
  Must({"region", "create", "eu"});
  const Ran ran = Tallyman(
      {"host", "create", "h", "--region", "eu", "--cpu", "4", "--memory", "16", "--disk", "1TB"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("--memory is \"16\": a number without a unit means bytes"));
  EXPECT_EQ(Sql("SELECT count(*) FROM hosts"), "0\n");
}

TEST_F(HabitsTest, WhatMeansSomethingInOtherToolsIsNotFilteredByInSilence) {
  CreateSmallFleet();
  for (const char* filter : {"region=eu,org=acme", "region==eu", "name=n-*"}) {
    const Ran ran = Tallyman({"node", "list", "--filter", filter});
    EXPECT_EQ(ran.status, 2) << ran.out;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("INVALID_FILTER"), HasSubstr("separated by spaces")));
  }
  EXPECT_EQ(Must({"-q", "node", "list", "--filter", "region=eu org=\"acme\""}).out, "n-1\n");
  // An option has one value.
  EXPECT_EQ(Must({"-q", "events", "--kind", "a\"\\,b"}).out, "");
}

TEST_F(HabitsTest, AnOptionOfAnUnsetVariableIsNotLeftOut) {
  CreateSmallFleet();
  const std::vector<std::string> upgrade = {"node", "upgrade", "n-1", "--image", "p/v@2.0.0"};
  for (const char* option :
       {"--plan-token", "--plan-token=", "--request-id", "--region", "--wait", "--org"}) {
    std::vector<std::string> words = upgrade;
    words.emplace_back(option);
    if (words.back().back() != '=') words.emplace_back("");
    const Ran ran = Tallyman(words);
    EXPECT_EQ(ran.status, 2) << option << ran.out;
    EXPECT_THAT(ran.err, HasSubstr("--")) << option;
  }
  EXPECT_THAT(Tallyman({"node", "list", "--host", ""}).err,
              AllOf(HasSubstr("--host is empty: write a value, or leave it out"),
                    HasSubstr("EMPTY_OPTION")));
  EXPECT_EQ(Must({"-q", "node", "list", "--image", "p/v@1.0.0"}).out, "n-1\n");
}

TEST_F(HabitsTest, FileNamesAreCompletedWhole) {
  Write("my fleet.yaml", "");
  Write("my *", "");
  const Ran ran = RunProgram(
      "/bin/bash",
      {"-c",
       "cd " + PathOf("") +
           "; source <(" TALLYMAN_PROGRAM " completion bash)\n"
           "for words in 'apply -f' 'db backup' 'node list --token-file'; do\n"
           "  COMP_WORDS=(tallyman $words my); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _tallyman\n"
           "  printf '<%s>' \"${COMPREPLY[@]}\" | sed 's/></>\\n</g' | sort\n"
           "done"},
      {"PATH=/usr/bin:/bin", "LC_ALL=C"});
  const std::string names = "<my *>\n<my fleet.yaml>";
  EXPECT_EQ(ran.out, names + "\n" + names + "\n" + names + "\n") << ran.err;
}

TEST_F(HabitsTest, AllOfTimeIsNotTooLongAgo) {
  CreateSmallFleet();
  const std::string all = Must({"events", "--tail", "3"}).out;
  EXPECT_EQ(Must({"events", "--tail", "3", "--since", "99999999999h"}).out, all);
  EXPECT_THAT(all, HasSubstr("node n-1"));
}

TEST_F(HabitsTest, FilesThatCannotBeReadOrWrittenSayWhy) {
  CreateSmallFleet();
  std::filesystem::create_symlink("loop.yaml", PathOf("loop.yaml"));
  EXPECT_THAT(Tallyman({"diff", PathOf("loop.yaml")}).err, HasSubstr("Too many levels"));
  Write("windows.yaml", std::string("\xff\xfeo\0r\0g\0", 8));
  EXPECT_THAT(Tallyman({"diff", PathOf("windows.yaml")}).err,
              HasSubstr("UTF-16: save it as UTF-8"));
  EXPECT_THAT(Tallyman({"export", "-f", PathOf("no/fleet.yaml")}).err,
              HasSubstr("cannot be written: No such file or directory\n"));
  EXPECT_THAT(Tallyman({"export", "-f", "/dev/full"}).err,
              HasSubstr("cannot be written: No space left on device; it is not whole"));
}

TEST_F(HabitsTest, ABackupIsNotWrittenToADash) {
  Must({"db", "migrate"});
  const Ran ran = Tallyman({"db", "backup", "-"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("name the file"));
}

}  // namespace
}  // namespace tallyman
