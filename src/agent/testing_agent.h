// An agent in one thread for tests: a journal on the disk, a simulated machine, a control plane
// that the test writes, a clock that stands still. It can be killed anywhere and started again.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "agent/core.h"
#include "agent/simulated_runtime.h"
#include "agent/sqlite_journal.h"
#include "agent/testing_control.h"
#include "base/id_source.h"
#include "base/time.h"
#include "model/command.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent {

// Ends the agent where it is thrown.
struct Killed {};

class AgentTest : public testing::Test {
 protected:
  AgentTest() { StartAgent(); }

  void StartAgent() {
    core_.reset();
    journal_.reset();  // only one may have it open
    auto opened =
        SqliteJournal::Open((dir_.path() / "journal.db").string(),
                            [this](std::string_view sql) { return hook_ ? hook_(sql) : 0; });
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    journal_ = std::move(*opened);
    core_ = std::make_unique<AgentCore>(
        AgentCore::Parts{control_, *journal_, machine_, clock_, log_}, options_);
    ASSERT_TRUE(core_->Load().has_value());
  }

  // Works and talks until nothing is left to do, letting time pass where something waits for it.
  void Settle() {
    for (int round = 0; round < 5000; ++round) {
      (void)core_->Talk().has_value();
      bool worked = false;
      while (core_->WorkOnce()) worked = true;
      auto next = core_->NextWorkAt();
      auto remembered = core_->Remembered();
      bool pending = false;
      for (const auto& [id, command] : remembered.commands) pending |= command.IsPending();
      if (pending && next && *next > clock_.SteadyNow()) {
        clock_.Advance(*next - clock_.SteadyNow());
        continue;
      }
      if (!worked && !core_->HasNews()) return;
    }
  }
  // The same with an agent that is killed whenever Killed is thrown.
  void SettleThroughKills() {
    for (int kills = 0; kills < 1000; ++kills) {
      try {
        return Settle();
      } catch (const Killed&) {
        StartAgent();
      }
    }
    FAIL() << "it never settles";
  }

  NodeSpec Spec(const NodeId& node, int64_t cores = 1) {
    NodeSpec spec;
    spec.node_id = node;
    spec.org_id = org_;
    spec.config_id = ids_.New<ConfigId>();
    spec.image_id = ids_.New<ImageId>();
    spec.name = "node";
    spec.image = "p/v@1.0.0+1";
    spec.image_uri = "docker://chain:1";
    spec.resources = {cores, cores * 1'000'000'000, cores * 10'000'000'000};
    return spec;
  }

  // The command that makes the node what `spec` says.
  v1::HandedCommand Command(v1::CommandKind kind, const NodeSpec& spec) {
    Node node;
    node.id = spec.node_id;
    node.org_id = spec.org_id;
    node.name = spec.name;
    NodeConfig config;
    config.id = spec.config_id;
    config.resources = spec.resources;
    config.values = spec.values;
    Image image;
    image.id = spec.image_id;
    image.uri = spec.image_uri;
    v1::HandedCommand command;
    command.set_command_id(ids_.New<CommandId>().ToString());
    command.set_attempt(1);
    command.set_kind(kind);
    command.set_node_id(spec.node_id.ToString());
    command.set_seq(++seq_);
    command.set_config_id(spec.config_id.ToString());
    command.set_payload(RenderPayload(node, config, image, "host"));
    return command;
  }

  std::string HandOut(const v1::HandedCommand& command) {
    control_.open[command.command_id()] = command;
    return command.command_id();
  }

  // A node that runs what `spec` says, its create settled.
  void Create(const NodeSpec& spec) {
    HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
    Settle();
    ASSERT_EQ(control_.outcomes.size(), 1u);
    ASSERT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_OK);
    control_.outcomes.clear();
  }

  std::optional<ObservedNode> Machine(const NodeId& node) {
    auto nodes = machine_.List();
    for (const ObservedNode& seen : *nodes)
      if (seen.node_id == node) return seen;
    return std::nullopt;
  }
  bool Runs(const NodeSpec& spec) {
    auto seen = Machine(spec.node_id);
    return seen && seen->running && seen->config_id == spec.config_id &&
           seen->limits == spec.resources;
  }
  // The hook fails this step whenever it is about this config.
  void FailStep(RuntimeStep step, const ConfigId& config) {
    machine_.SetHook([=](RuntimeStep taken, const NodeSpec& spec) -> Status {
      if (taken == step && spec.config_id == config)
        return Fail(Internal("TOOL_FAILED", "made to fail"));
      return {};
    });
  }

  TempDir dir_{TempDir::Fast()};
  sqlite::StatementHook hook_;
  AgentOptions options_;
  ManualClock clock_{FromMicros(1'800'000'000'000'000)};
  SeededRandom random_{7};
  IdSource ids_{clock_, random_};
  MemoryLog log_;
  TestingControl control_;
  SimulatedRuntime machine_{{64, 256'000'000'000, 8'000'000'000'000}};
  std::unique_ptr<SqliteJournal> journal_;
  std::unique_ptr<AgentCore> core_;
  OrgId org_ = ids_.New<OrgId>();
  NodeId node_ = ids_.New<NodeId>();
  int64_t seq_ = 0;
};

}  // namespace tallyman::agent
