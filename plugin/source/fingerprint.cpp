// SPDX-License-Identifier: MIT
// OpenSSL's digest and not GLib's: with SHA instructions it reads 1.8 GB/s, GLib 0.13 GB/s (EPYC, 59 MB), and an icon
// must not wait for it.
#include "plugin/source/fingerprint.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <system_error>
#include <tuple>
#include <vector>

namespace dit::plugin {
namespace {

std::string sha256(const std::filesystem::path& path) {
  // A pipe that has taken the file's place would be waited for.
  const int file = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return {};
  const std::unique_ptr<const int, void (*)(const int*)> closing(&file, [](const int* f) { close(*f); });
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  struct stat status = {};
  if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) return {};
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
  std::vector<char> piece(std::size_t{1} << 18);
  ssize_t count = 0;
  while ((count = read(file, piece.data(), piece.size())) > 0)
    if (EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(count)) != 1) return {};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (count < 0 || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) return {};
  std::string hex;
  for (unsigned i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[digest[i] >> 4];
    hex += "0123456789abcdef"[digest[i] & 15];
  }
  return hex;
}

}  // namespace

std::shared_future<std::string> fingerprint(const std::filesystem::path& path) {
  using State = std::tuple<std::string, std::uintmax_t, std::filesystem::file_time_type>;
  // A process may end while a thread reads; OpenSSL must not be taken down under it.
  static const int ready = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
  (void)ready;
  static std::mutex mutex;
  // Never destroyed: another library's exit handler may still have a pipeline running.
  static auto* const known = new std::map<State, std::shared_future<std::string>>;
  std::error_code error;
  const State state{path.string(), std::filesystem::file_size(path, error),
                    std::filesystem::last_write_time(path, error)};
  const std::lock_guard lock(mutex);
  auto& result = (*known)[state];
  if (result.valid()) return result;
  try {
    result = std::async(std::launch::async, sha256, path).share();
  } catch (const std::system_error&) {
    // Under a limit of processes there is no thread for it.
    std::promise<std::string> now;
    now.set_value(sha256(path));
    result = now.get_future().share();
  }
  return result;
}

}  // namespace dit::plugin
