// SPDX-License-Identifier: MIT
#include "plugin/errors.h"

#include <new>

#include "engine/session/session.h"

namespace dit::plugin {
namespace {

struct Code {
  GQuark domain;
  gint code;
};

Code code_of(ErrorKind kind, Phase phase) {
  switch (kind) {
    case ErrorKind::not_found:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND};
    case ErrorKind::unreadable:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_OPEN_READ};
    case ErrorKind::wrong_format:
      return {GST_STREAM_ERROR, GST_STREAM_ERROR_WRONG_TYPE};
    case ErrorKind::unsupported:
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS};
    case ErrorKind::settings:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS};
    case ErrorKind::out_of_memory:
      return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NO_SPACE_LEFT};
    case ErrorKind::device:
      if (phase == Phase::running) return {GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_FAILED};
      return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_INIT};
  }
  return {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED};
}

void post(GstElement* element, Code code, const char* text, Phase phase) noexcept {
  gst_element_message_full(element, GST_MESSAGE_ERROR, code.domain, code.code, g_utf8_make_valid(text, -1),
                           g_strdup(phase == Phase::opening ? "while opening" : "while painting"), __FILE__,
                           GST_FUNCTION, __LINE__);
}

}  // namespace

bool drop_further_error(GstElement* element, GstMessage* message, std::atomic<bool>& failed) noexcept {
  if (GST_MESSAGE_TYPE(message) != GST_MESSAGE_ERROR || !failed.exchange(true)) return false;
  GST_DEBUG_OBJECT(element, "not posting a further error: %" GST_PTR_FORMAT, static_cast<void*>(message));
  gst_message_unref(message);
  return true;
}

void post_current_exception(GstElement* element, Phase phase) noexcept {
  try {
    throw;
  } catch (const Error& error) {
    post(element, code_of(error.kind(), phase), error.what(), phase);
  } catch (const std::bad_alloc&) {
    post(element, code_of(ErrorKind::out_of_memory, phase), "out of memory", phase);
  } catch (const std::exception& error) {
    post(element, {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED}, error.what(), phase);
  } catch (...) {
    post(element, {GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_FAILED}, "unknown exception", phase);
  }
}

}  // namespace dit::plugin
