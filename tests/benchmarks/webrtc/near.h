// SPDX-License-Identifier: LGPL-2.1-or-later
// The process that is measured: what one run of it does, and what it prints.
#pragma once

namespace streamlib::bench {

// Arguments: BOARD MATERIAL SERVER RUN DIRECTION SUBJECT COUNT SECONDS LATENCY. Figures are lines
// of a name and a number on standard output. The exit code is 0 when all could be measured.
//
//   steady   COUNT sessions: threads, memory and CPU of each while media flows
//   times    COUNT sessions, one after the other: to connected, to the first decoded picture, stop
//   latency  one session for SECONDS, its pictures read; LATENCY of the jitter buffers in
//            milliseconds, -1 for what is set by default
//   crowd    COUNT sessions that publish and COUNT that play
//   starts   COUNT sessions that are stopped at any time, and what they leave
int run_near_end(int argc, char **argv);

}  // namespace streamlib::bench
