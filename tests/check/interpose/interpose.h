// SPDX-License-Identifier: LGPL-2.1-or-later
// Who locks and who allocates: counts, while a window is open, the calls of lock and allocation
// functions by the objects that are called "ours".
//
// The interposer defines these functions itself and stands before GLib and the C library in the
// order in which symbols are looked up, so that every object of the process comes here first.
//
// The rule by which a call is attributed
//   1. The stack is walked from the call outwards. Frames of the C and C++ libraries, of GLib,
//      GObject, GIO, and of GStreamer's core and base libraries say nothing: they work for whoever
//      called them. So what gst_structure_new() allocates for us is ours.
//   2. The first frame that says something decides:
//        an object of ours              ours
//        gst_pad_push(), gst_pad_push_list(), gst_pad_chain(), gst_pad_chain_list(), or the
//        loop function of GstTask       floor: locks that GStreamer takes to do what these are for.
//                                       Nobody who pushes buffers can avoid them
//        anything else                  other: foreign elements, test programs
//   So a lock inside gst_pad_push() is the floor also where we called it, and a lock that an
//   element of ours takes in its chain function below that is ours; GST_OBJECT_LOCK in our code,
//   gst_pad_get_current_caps() from our code, and a std::mutex of ours are ours.
//
// Only threads that push count: a thread does from its first gst_pad_push() or gst_pad_chain() on,
// and one that only takes buffers by sl_interpose_watch_thread(). So the watchdog may lock.
//
// What it does not see: a call in tail position (the frame is gone by then; whoever called that
// function gets it), a lock made of atomics alone, and allocation by mmap(). GLib calls its own
// functions without a lookup: its slices are seen when G_SLICE=always-malloc is set, its locks
// inside GLib only for the functions that interpose.cpp lists. What such a function does by another
// interposed one is counted for both: a GRecMutex is two locks.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  unsigned long locks;
  unsigned long allocations;
} SlInterposeCalls;

typedef struct {
  SlInterposeCalls ours;
  SlInterposeCalls floor;
  SlInterposeCalls other;
} SlInterposeCounts;

// Null, or what stands in the way of counting: symbols that are bound past the interposer, or an
// environment without G_SLICE=always-malloc.
const char *sl_interpose_problem(void);

// Objects whose file name begins with `prefix` are ours from the next window on.
void sl_interpose_add_ours(const char *prefix);

// The function that GstTask hands to its pool; learnt by the test, because it has no public name.
void sl_interpose_set_task_function(void *function);

// The calling thread counts although it does not push.
void sl_interpose_watch_thread(void);

// Any thread. The counts begin at 0.
void sl_interpose_open(void);
void sl_interpose_close(void);
SlInterposeCounts sl_interpose_counts(void);

// Writes the places of our calls in the last window to standard error, each once.
void sl_interpose_print_places(void);

#ifdef __cplusplus
}
#endif
