// SPDX-License-Identifier: LGPL-2.1-or-later
// The rows of webrtc_bench, and the processes behind them.
#pragma once

namespace streamlib::bench {

// The command line of every benchmark; the exit code of the program.
int measure_webrtc(int argc, char **argv);

// So many starts and stops of our elements at any time. The exit code is 0 when none took 2 s and
// nothing was left behind; 77 where the media to send cannot be encoded.
int check_starts(int count);

}  // namespace streamlib::bench
