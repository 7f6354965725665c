// SPDX-License-Identifier: MIT
#include "engine/session/trial/self_test.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "engine/network/conditioning.h"
#include "engine/network/dit.h"
#include "engine/session/batch_request.h"

namespace dit {
namespace {

constexpr std::uint64_t seed = 4;

/// The icons of a model's test.
class Icons {
 public:
  explicit Icons(std::shared_ptr<const Model> model) : model_(std::move(model)), conditioning_(model_) {}

  SelfTest::Tried of_batch(std::uint32_t batch) const {
    BatchRequest request(config(), conditioning_);
    BatchKind kind;
    kind.strengths.assign(batch, 1.0);
    SelfTest::Tried tried;
    for (std::size_t i = 0; i < count(); ++i) {
      request.make(settings(i), kind);
      request.icons().assign(batch, {.from = {.seed = seed, .index = i}});
      tried.requests.push_back(request.request());
    }
    tried.program = record(config(), request.shape());
    return tried;
  }

  const Model& model() const { return *model_; }

 private:
  const ModelConfig& config() const { return model_->config(); }

  std::size_t count() const { return std::clamp<std::size_t>(16 / std::max(1u, config().default_steps), 1, 4); }

  /// Words and styles that lie as far apart as their lists allow.
  IconSettings settings(std::size_t i) const {
    const auto spread = [&](std::size_t size) {
      return static_cast<std::uint32_t>((2 * i + 1) * size / (2 * count()));
    };
    Label label;
    if (!config().words.empty()) label.words = {spread(config().words.size()) + 1};
    label.style = config().styles.empty() ? 0 : spread(config().styles.size());
    IconSettings settings;
    settings.label = std::make_shared<const Label>(std::move(label));
    return settings;
  }

  std::shared_ptr<const Model> model_;
  Conditioning conditioning_;
};

std::vector<SelfTest::Known> ask(const Reference& reference, const SelfTest& test) {
  const SelfTest::Tried tried = test.tried(1);
  const auto executor = reference(test.weights);
  const auto plan = executor->plan(tried.program);
  std::vector<SelfTest::Known> known;
  for (const Request& request : tried.requests) {
    SelfTest::Known& icon = known.emplace_back();
    plan->set_request(request);
    plan->prepare(never_cancelled);
    plan->run(0, 1, never_cancelled);
    icon.x = plan->read(tried.program.x);
    const Ticket ticket = plan->run(0, tried.program.shape.steps, never_cancelled);
    icon.rgba.resize(pixels_of(tried.program) * 4);
    plan->read(ticket, 0, icon.rgba);
  }
  return known;
}

std::string bytes_of(const std::vector<SelfTest::Known>& known) {
  std::string bytes;
  for (const SelfTest::Known& icon : known) {
    bytes.append(reinterpret_cast<const char*>(icon.x.data()), icon.x.size() * sizeof(float));
    bytes.append(reinterpret_cast<const char*>(icon.rgba.data()), icon.rgba.size());
  }
  return bytes;
}

std::optional<std::vector<SelfTest::Known>> known_in(const std::optional<std::string>& bytes, const SelfTest& test) {
  const SelfTest::Tried tried = test.tried(1);
  const std::size_t values = element_count(tried.program.tensor(tried.program.x).shape);
  const std::size_t pixels = pixels_of(tried.program) * 4, icon_bytes = values * sizeof(float) + pixels;
  if (!bytes || bytes->size() != tried.requests.size() * icon_bytes) return {};
  std::vector<SelfTest::Known> known;
  for (std::size_t at = 0; at < bytes->size(); at += icon_bytes) {
    SelfTest::Known& icon = known.emplace_back();
    icon.x.resize(values);
    icon.rgba.resize(pixels);
    std::memcpy(icon.x.data(), bytes->data() + at, values * sizeof(float));
    std::memcpy(icon.rgba.data(), bytes->data() + at + values * sizeof(float), pixels);
  }
  return known;
}

}  // namespace

std::string file_key(const Model& model) {
  struct stat status = {};
  (void)::stat(model.path().c_str(), &status);
  return fmt::format(DIT_VERSION " {} {} {} {} {}", model.path().string(), status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec, status.st_ino);
}

SelfTest make_self_test(std::shared_ptr<const Model> model, Reference reference, CacheFolder folder) {
  SelfTest test;
  test.weights = model->weights();
  const auto icons = std::make_shared<const Icons>(std::move(model));
  test.tried = [icons](std::uint32_t batch) { return icons->of_batch(batch); };
  struct Kept {
    std::vector<SelfTest::Known> icons;
    bool asked = false;  // the reference, in this run
  };
  // A test without `known`, so that nothing holds itself.
  test.known = [=, self = test, kept = std::make_shared<Kept>()](bool anew) -> const std::vector<SelfTest::Known>& {
    if (kept->asked || (!anew && !kept->icons.empty())) return kept->icons;
    const std::string name = fmt::format("known-{:016x}.bin", checksum(file_key(icons->model())));
    auto known = anew ? std::nullopt : known_in(folder.read(name), self);
    if (!known) {
      known = ask(reference, self);
      folder.write(name, bytes_of(*known));
      kept->asked = true;
    }
    return kept->icons = std::move(*known);
  };
  return test;
}

}  // namespace dit
