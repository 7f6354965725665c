// SPDX-License-Identifier: MIT
// A GstObject's own lock, held for a scope.
#pragma once

#include <gst/gst.h>

namespace dit::plugin {

class ObjectLock {
 public:
  explicit ObjectLock(void* object) : object_(object) { GST_OBJECT_LOCK(object_); }
  ~ObjectLock() { GST_OBJECT_UNLOCK(object_); }
  ObjectLock(const ObjectLock&) = delete;
  ObjectLock& operator=(const ObjectLock&) = delete;

 private:
  void* object_;
};

}  // namespace dit::plugin
