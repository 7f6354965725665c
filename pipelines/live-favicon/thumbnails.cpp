// SPDX-License-Identifier: MIT
#include "pipelines/live-favicon/thumbnails.h"

#include <nlohmann/json.hpp>

#include "pipelines/live-favicon/visitor.h"

namespace favicon {

Thumbnails::~Thumbnails() {
  if (painting_) painting_->stop();
}

std::string Thumbnails::list(std::size_t after) {
  if (!painting_) paint_next();
  nlohmann::json list = nlohmann::json::array();
  for (std::size_t i = after; i < painted_.size(); ++i) list.push_back({{"style", styles_[i]}, {"png", painted_[i]}});
  const nlohmann::json json = {{"of", styles_.size()}, {"styles", list}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void Thumbnails::paint_next() {
  if (painted_.size() == styles_.size()) return;
  wish_.style = styles_[painted_.size()];
  painting_ = Painting::start(painter_, wish_, Kind::png, [this] { advance(); });
  if (painting_->ended()) advance();
}

void Thumbnails::advance() {
  if (!painting_->ended()) return;
  const auto picture = painting_->take();
  painted_.push_back(picture ? base64(picture->bytes) : "");
  painting_->stop();
  painting_.reset();
  paint_next();
}

}  // namespace favicon
