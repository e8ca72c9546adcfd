# SPDX-License-Identifier: MIT
#
# The addresses and the checksum stand for those of the place where a publisher puts the tarball of
# `make dist`; contrib/packaging/formula fills them in.
class Chancat < Formula
  desc "Cat for chat channels, over HTTP and JSON, and a server for them"
  homepage "https://chancat.example/"
  url "https://chancat.example/chancat-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"

  depends_on "make" => :build
  depends_on "pkgconf" => :build
  depends_on "jansson"
  depends_on "libmicrohttpd"
  depends_on "libpq"
  depends_on "readline"

  uses_from_macos "curl"
  uses_from_macos "sqlite"

  def install
    # The system's make on macOS is older than 4.
    system "gmake", "install", "PREFIX=#{prefix}", "BASHDIR=#{bash_completion}",
           "ZSHDIR=#{zsh_completion}", "FISHDIR=#{fish_completion}", "SYSTEMDDIR="
    (var/"chancat").mkpath
  end

  service do
    run [opt_bin/"chancatd", "--database", var/"chancat/chat.db"]
    keep_alive true
    log_path var/"log/chancatd.log"
    error_log_path var/"log/chancatd.log"
  end

  test do
    database = testpath/"chat.db"
    log = testpath/"chancatd.log"
    server = spawn "#{bin}/chancatd", "-l", "127.0.0.1:0", "-d", database.to_s, err: log.to_s
    begin
      url = nil
      300.times do
        url = log.exist? ? log.read[/listening on (\S+)/, 1] : nil
        break if url

        sleep 0.1
      end
      ENV["CHANCAT_URL"] = url
      pipe_output("#{bin}/chancat -q -s -S brew ops", "a line\n", 0)
      assert_match '"sender":"brew","content":"a line"', shell_output("#{bin}/chancat -r ops")
    ensure
      Process.kill "TERM", server
      Process.wait server
    end
  end
end
