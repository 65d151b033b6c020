// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config.h"

#include "sys/camera/photography.h"

namespace streamlib::camera {

namespace {

using support::GObjectPtr;
using Iface = GstPhotographyInterface;

// The source, where it implements the interface.
GObjectPtr<GstElement> photographer_of(gpointer element)
{
  auto source = source_of_element(element);
  return source && GST_IS_PHOTOGRAPHY(source.get()) ? std::move(source) : nullptr;
}

template <typename Method>
struct Forward;

// Those that say whether they succeeded, and the capabilities: 0 is FALSE and none.
template <typename Answer, typename... Values>
struct Forward<Answer (*Iface::*)(GstPhotography *, Values...)> {
  template <Answer (*Iface::*Method)(GstPhotography *, Values...)>
  static Answer call(GstPhotography *photo, Values... values)
  {
    const auto source = photographer_of(photo);
    if (!source)
      return Answer();
    GstPhotography *inner = GST_PHOTOGRAPHY(source.get());
    const auto method = GST_PHOTOGRAPHY_GET_INTERFACE(inner)->*Method;
    return method != nullptr ? method(inner, values...) : Answer();
  }
};

template <auto Method>
void forward(Iface *iface)
{
  iface->*Method = &Forward<decltype(Method)>::template call<Method>;
}

template <auto... Methods>
void forward_all(Iface *iface)
{
  (forward<Methods>(iface), ...);
}

bool is_of_interface(const GParamSpec *pspec)
{
  return pspec->owner_type == GST_TYPE_PHOTOGRAPHY;
}

}  // namespace

void init_photography(Iface *iface)
{
  forward_all<&Iface::get_ev_compensation, &Iface::set_ev_compensation, &Iface::get_iso_speed,
              &Iface::set_iso_speed, &Iface::get_aperture, &Iface::set_aperture,
              &Iface::get_exposure, &Iface::set_exposure, &Iface::get_white_balance_mode,
              &Iface::set_white_balance_mode, &Iface::get_color_tone_mode,
              &Iface::set_color_tone_mode, &Iface::get_scene_mode, &Iface::set_scene_mode,
              &Iface::get_flash_mode, &Iface::set_flash_mode, &Iface::get_zoom, &Iface::set_zoom,
              &Iface::get_flicker_mode, &Iface::set_flicker_mode, &Iface::get_focus_mode,
              &Iface::set_focus_mode>(iface);
  forward_all<&Iface::get_capabilities, &Iface::prepare_for_capture, &Iface::set_autofocus,
              &Iface::set_config, &Iface::get_config>(iface);
  forward_all<&Iface::get_noise_reduction, &Iface::set_noise_reduction, &Iface::get_exposure_mode,
              &Iface::set_exposure_mode, &Iface::get_analog_gain, &Iface::set_analog_gain,
              &Iface::get_lens_focus, &Iface::set_lens_focus, &Iface::get_color_temperature,
              &Iface::set_color_temperature, &Iface::get_min_exposure_time,
              &Iface::set_min_exposure_time, &Iface::get_max_exposure_time,
              &Iface::set_max_exposure_time>(iface);
}

void install_photography_properties(GObjectClass *klass, guint first_id)
{
  auto *iface = static_cast<Iface *>(g_type_default_interface_ref(GST_TYPE_PHOTOGRAPHY));
  guint count = 0;
  GParamSpec **specs = g_object_interface_list_properties(iface, &count);
  for (guint i = 0; i < count; i++)
    g_object_class_override_property(klass, first_id + i, specs[i]->name);
  g_free(specs);
  g_type_default_interface_unref(iface);
}

bool set_photography_property(GstElement *element, const GValue *value, GParamSpec *pspec)
{
  if (!is_of_interface(pspec))
    return false;
  const auto source = photographer_of(element);
  if (source) {
    g_object_set_property(G_OBJECT(source.get()), pspec->name, value);
    return true;
  }
  const bool closed = !source_of_element(element);
  GST_ELEMENT_WARNING(
      element, RESOURCE, SETTINGS,
      ("The property %s was not set: %s", pspec->name,
       closed ? "no camera is open. Set it in the state PAUSED or PLAYING."
              : "this camera has no such control (GstPhotography). Take another backend for it."),
      ("%s", closed ? "no source element" : "the source element is no GstPhotography"));
  return true;
}

bool get_photography_property(GstElement *element, GValue *value, GParamSpec *pspec)
{
  if (!is_of_interface(pspec))
    return false;
  if (const auto source = photographer_of(element))
    g_object_get_property(G_OBJECT(source.get()), pspec->name, value);
  else
    g_param_value_set_default(pspec, value);
  return true;
}

}  // namespace streamlib::camera
