// SPDX-License-Identifier: MIT
// A small icon in each of the model's styles, so that one sees what they are. Painted once, one after the other, from
// the moment that somebody asks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pipelines/live-favicon/painting.h"

namespace favicon {

class Thumbnails {
 public:
  /// `wish`: what is painted, in each of `styles` instead of its own.
  Thumbnails(Painter painter, Wish wish, std::vector<std::string> styles)
      : painter_(std::move(painter)), wish_(std::move(wish)), styles_(std::move(styles)) {}
  ~Thumbnails();
  Thumbnails(const Thumbnails&) = delete;
  Thumbnails& operator=(const Thumbnails&) = delete;

  /// JSON {of, styles: [{style, png}]}: those that are painted, from number `after` on; `of` is how many there will be.
  std::string list(std::size_t after);

 private:
  void paint_next();
  void advance();

  Painter painter_;
  Wish wish_;
  std::vector<std::string> styles_;
  std::vector<std::string>
      painted_;  ///< base64 of PNG files, in the styles' order; empty where it could not be painted
  std::shared_ptr<Painting> painting_;
};

}  // namespace favicon
