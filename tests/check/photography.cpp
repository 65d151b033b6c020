// SPDX-License-Identifier: LGPL-2.1-or-later
// GstPhotography of slcamerasrc, with a backend that implements it and with one that does not.

#include <cstddef>
#include <string>

#include <gst/interfaces/photography.h>

#include "tests/check/camerarun.h"
#include "tests/check/fakecamera.h"

using fakecamera::Camera;
using fakecamera::Run;
using namespace streamlib::support;

// ---- A source with the interface

struct PhotoSource {
  GstBin parent;
  gfloat zoom;
  GstPhotographySettings config;
  gboolean autofocus;
  guint color_temperature;
};
struct PhotoSourceClass {
  GstBinClass parent;
};

static void photo_source_photography_init(gpointer iface, gpointer);

G_DEFINE_TYPE_WITH_CODE(PhotoSource, photo_source, GST_TYPE_BIN,
                        G_IMPLEMENT_INTERFACE(GST_TYPE_PHOTOGRAPHY, photo_source_photography_init))

static constexpr guint kFirstProperty = 1;
static constexpr guint kRefusedIso = 4711;

static PhotoSource *photo_cast(gpointer photo)
{
  return static_cast<PhotoSource *>(photo);
}

static gboolean photo_prepare(GstPhotography *, GstPhotographyCapturePrepared prepared,
                              GstCaps *caps, gpointer data)
{
  prepared(data, caps);
  return TRUE;
}

static void photo_source_photography_init(gpointer data, gpointer)
{
  auto *iface = static_cast<GstPhotographyInterface *>(data);
  iface->get_zoom = [](GstPhotography *photo, gfloat *zoom) -> gboolean {
    *zoom = photo_cast(photo)->zoom;
    return TRUE;
  };
  iface->set_zoom = [](GstPhotography *photo, gfloat zoom) -> gboolean {
    photo_cast(photo)->zoom = zoom;
    return TRUE;
  };
  iface->set_iso_speed = [](GstPhotography *, guint speed) -> gboolean {
    return speed != kRefusedIso;
  };
  iface->get_capabilities = [](GstPhotography *) {
    return static_cast<GstPhotographyCaps>(GST_PHOTOGRAPHY_CAPS_ZOOM | GST_PHOTOGRAPHY_CAPS_FOCUS);
  };
  iface->set_autofocus = [](GstPhotography *photo, gboolean on) {
    photo_cast(photo)->autofocus = on;
  };
  iface->set_config = [](GstPhotography *photo, GstPhotographySettings *config) -> gboolean {
    photo_cast(photo)->config = *config;
    return TRUE;
  };
  iface->get_config = [](GstPhotography *photo, GstPhotographySettings *config) -> gboolean {
    *config = photo_cast(photo)->config;
    return TRUE;
  };
  iface->set_color_temperature = [](GstPhotography *photo, guint kelvin) -> gboolean {
    photo_cast(photo)->color_temperature = kelvin;
    return TRUE;
  };
  iface->prepare_for_capture = photo_prepare;
}

static void photo_source_set_property(GObject *object, guint, const GValue *value,
                                      GParamSpec *pspec)
{
  if (g_str_equal(pspec->name, GST_PHOTOGRAPHY_PROP_ZOOM))
    photo_cast(object)->zoom = g_value_get_float(value);
}

static void photo_source_get_property(GObject *object, guint, GValue *value, GParamSpec *pspec)
{
  if (g_str_equal(pspec->name, GST_PHOTOGRAPHY_PROP_ZOOM))
    g_value_set_float(value, photo_cast(object)->zoom);
  else
    g_param_value_set_default(pspec, value);
}

static void photo_source_class_init(PhotoSourceClass *klass)
{
  auto *object = G_OBJECT_CLASS(klass);
  object->set_property = photo_source_set_property;
  object->get_property = photo_source_get_property;
  gpointer iface = g_type_default_interface_ref(GST_TYPE_PHOTOGRAPHY);
  guint count = 0;
  GParamSpec **specs = g_object_interface_list_properties(iface, &count);
  for (guint i = 0; i < count; i++)
    g_object_class_override_property(object, kFirstProperty + i, specs[i]->name);
  g_free(specs);
  g_type_default_interface_unref(iface);
}

static void photo_source_init(PhotoSource *self)
{
  GstElement *source = gst_element_factory_make("videotestsrc", nullptr);
  g_object_set(source, "is-live", TRUE, nullptr);
  gst_bin_add(GST_BIN(self), source);
  const auto pad = adopt_object(gst_element_get_static_pad(source, "src"));
  gst_element_add_pad(GST_ELEMENT(self), gst_ghost_pad_new("src", pad.get()));
}

static const Camera kPlain = {"Plain Camera", "fake-plain", "", 10};

static Camera phone_camera()
{
  Camera camera = {"Phone Camera", "fake-phone"};
  camera.caps = "video/x-raw, format=GRAY8, width=64, height=48, framerate=50/1";
  camera.make = [] {
    return static_cast<GstElement *>(g_object_new(photo_source_get_type(), nullptr));
  };
  return camera;
}

static void setup(void)
{
  fakecamera::init();
  fakecamera::plug(kPlain);
  fakecamera::plug(phone_camera());
}

static void teardown(void)
{
  fakecamera::unplug_all();
  fakecamera::wait_until_unwatched();
}

// ---- Tests

GST_START_TEST(test_all_methods_are_there)
{
  const Run run("device=plain");
  const GstPhotographyInterface *iface = GST_PHOTOGRAPHY_GET_INTERFACE(run.camera());
  const auto *slots = reinterpret_cast<const gpointer *>(&iface->get_ev_compensation);
  const size_t count = (offsetof(GstPhotographyInterface, _gst_reserved) - sizeof(GTypeInterface)) /
                       sizeof(gpointer);
  fail_unless(count > 30);
  for (size_t i = 0; i < count; i++)
    fail_unless(slots[i] != nullptr, "method %d is missing", static_cast<int>(i));
}
GST_END_TEST

GST_START_TEST(test_methods_go_to_the_backend)
{
  Run run("device=phone");
  run.play();
  run.pull();
  GstPhotography *photo = GST_PHOTOGRAPHY(run.camera());
  fail_unless_equals_int(gst_photography_get_capabilities(photo),
                         GST_PHOTOGRAPHY_CAPS_ZOOM | GST_PHOTOGRAPHY_CAPS_FOCUS);
  fail_unless(gst_photography_set_zoom(photo, 2.5f));
  gfloat zoom = 0;
  fail_unless(gst_photography_get_zoom(photo, &zoom));
  fail_unless_equals_float(zoom, 2.5f);
  // What the backend refuses, and what it does not have.
  fail_unless(gst_photography_set_iso_speed(photo, 100));
  fail_if(gst_photography_set_iso_speed(photo, kRefusedIso));
  fail_if(gst_photography_set_flash_mode(photo, GST_PHOTOGRAPHY_FLASH_MODE_ON));
  guint iso = 0;
  fail_if(gst_photography_get_iso_speed(photo, &iso));

  GstPhotographySettings config = {};
  config.aperture = 28;
  config.lens_focus = 1.5f;
  fail_unless(gst_photography_set_config(photo, &config));
  GstPhotographySettings back = {};
  fail_unless(gst_photography_get_config(photo, &back));
  fail_unless_equals_int(back.aperture, 28);
  fail_unless_equals_float(back.lens_focus, 1.5f);

  auto caps = adopt_mini(gst_caps_new_empty_simple("image/jpeg"));
  const GstCaps *prepared = nullptr;
  fail_unless(gst_photography_prepare_for_capture(
      photo,
      [](gpointer data, const GstCaps *given) { *static_cast<const GstCaps **>(data) = given; },
      caps.get(), &prepared));
  fail_unless(prepared == caps.get());

  auto inner = adopt_object(gst_bin_get_by_interface(GST_BIN(run.camera()), GST_TYPE_PHOTOGRAPHY));
  fail_unless(static_cast<bool>(inner));
  gst_photography_set_autofocus(photo, TRUE);
  fail_unless(photo_cast(inner.get())->autofocus);
  // Without a function of its own in the library.
  fail_unless(GST_PHOTOGRAPHY_GET_INTERFACE(photo)->set_color_temperature(photo, 5600));
  fail_unless_equals_int(photo_cast(inner.get())->color_temperature, 5600);
}
GST_END_TEST

GST_START_TEST(test_properties_go_to_the_backend)
{
  Run run("device=phone");
  run.play();
  run.pull();
  g_object_set(run.camera(), "zoom", 3.0f, nullptr);
  gfloat zoom = 0;
  fail_unless(gst_photography_get_zoom(GST_PHOTOGRAPHY(run.camera()), &zoom));
  fail_unless_equals_float(zoom, 3.0f);
  zoom = 0;
  g_object_get(run.camera(), "zoom", &zoom, nullptr);
  fail_unless_equals_float(zoom, 3.0f);
  fail_if(static_cast<bool>(adopt_mini(gst_bus_pop_filtered(run.bus(), GST_MESSAGE_WARNING))));
}
GST_END_TEST

static void expect_nothing(Run &run, const char *why)
{
  GstPhotography *photo = GST_PHOTOGRAPHY(run.camera());
  fail_unless_equals_int(gst_photography_get_capabilities(photo), GST_PHOTOGRAPHY_CAPS_NONE);
  gfloat zoom = 7;
  fail_if(gst_photography_get_zoom(photo, &zoom));
  fail_if(gst_photography_set_zoom(photo, 2));
  GstPhotographySettings config = {};
  fail_if(gst_photography_set_config(photo, &config));
  fail_if(gst_photography_get_config(photo, &config));
  fail_if(gst_photography_prepare_for_capture(
      photo, [](gpointer, const GstCaps *) { fail("nobody could prepare"); }, nullptr, nullptr));
  gst_photography_set_autofocus(photo, TRUE);
  g_object_get(photo, "zoom", &zoom, nullptr);
  fail_unless_equals_float(zoom, 1);
  g_object_set(photo, "zoom", 2.0f, nullptr);
  run.expect(GST_MESSAGE_WARNING, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_SETTINGS, {"zoom", why});
}

GST_START_TEST(test_backend_without_it)
{
  Run run("device=plain width=64");
  expect_nothing(run, "no camera is open");
  run.play();
  run.pull();
  expect_nothing(run, "no such control");
  run.expect_no_error();
}
GST_END_TEST

static Suite *photography_suite(void)
{
  Suite *suite = suite_create("photography");
  TCase *tcase = tcase_create("slcamerasrc");
  suite_add_tcase(suite, tcase);
  tcase_add_checked_fixture(tcase, setup, teardown);
  tcase_add_test(tcase, test_all_methods_are_there);
  tcase_add_test(tcase, test_methods_go_to_the_backend);
  tcase_add_test(tcase, test_properties_go_to_the_backend);
  tcase_add_test(tcase, test_backend_without_it);
  return suite;
}

GST_CHECK_MAIN(photography)
