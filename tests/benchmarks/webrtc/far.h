// SPDX-License-Identifier: LGPL-2.1-or-later
// The other end of all sessions that are measured: a WHIP and WHEP server in a process of its own,
// made of our own layers in the answering role.
#pragma once

#include <string>

namespace streamlib::bench {

// Serves /whip and /whep on a port that is the first line of its output, until its standard input
// is closed. The query of the address says which slot of the board is the session's, and how what
// is published is taken: ?slot=3&show=read. GET /sessions says how many there are.
int serve_far_end(const std::string &board_path, const std::string &material_path);

}  // namespace streamlib::bench
