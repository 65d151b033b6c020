// SPDX-License-Identifier: LGPL-2.1-or-later
// GstPhotography of slcamerasrc: all of it is that of the camera's own element.
#pragma once

#include <gst/gst.h>
#include <gst/interfaces/photography.h>
#include <gst/support/ownership.h>

namespace streamlib::camera {

// Of the element inside, none while there is no camera. Any thread; defined beside the element.
support::GObjectPtr<GstElement> source_of_element(gpointer element);

void init_photography(GstPhotographyInterface *iface);

// The properties of the interface get the ids from `first_id` on.
void install_photography_properties(GObjectClass *klass, guint first_id);

// Any thread. False where `pspec` is none of the interface's.
bool set_photography_property(GstElement *element, const GValue *value, GParamSpec *pspec);
bool get_photography_property(GstElement *element, GValue *value, GParamSpec *pspec);

}  // namespace streamlib::camera
