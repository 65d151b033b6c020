// SPDX-License-Identifier: LGPL-2.1-or-later
// Pion as a peer: WHIP at /whip and WHEP at /whep, with trickle and ICE restarts by PATCH.
//
// usage: pion-peer [CODEC:FOLDER]
//
// FOLDER has the encoded pattern for who plays. The first line of the output is the port; the program
// ends with its standard input. POST /silence?seconds=N drops what comes and goes, as a network that
// is gone does; with &until=restart an ICE restart ends it. POST /pause?on=1 stops the media of who
// plays, and on=0 lets them go on. INTEROP_LISTEN is the address and port for HTTP where it is not one
// of the loopback interface.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/pion/webrtc"
	"github.com/pion/webrtc/pkg/media"
	"github.com/pion/webrtc/pkg/media/samplebuilder"
)

// A socket that can be made deaf and mute.
type mutedConn struct {
	net.PacketConn
	silentUntil   int64
	endsByRestart int32
}

func (conn *mutedConn) isSilent() bool {
	return time.Now().UnixNano() < atomic.LoadInt64(&conn.silentUntil)
}

func (conn *mutedConn) ReadFrom(data []byte) (int, net.Addr, error) {
	for {
		size, from, err := conn.PacketConn.ReadFrom(data)
		if err != nil || !conn.isSilent() {
			return size, from, err
		}
	}
}

func (conn *mutedConn) WriteTo(data []byte, to net.Addr) (int, error) {
	if conn.isSilent() {
		return len(data), nil
	}
	return conn.PacketConn.WriteTo(data, to)
}

// What a stream of H.264 has on the wire, by the types of its NAL units.
type h264Report struct {
	IDRs    int `json:"idrs"`
	Bare    int `json:"bare"` // IDR pictures without SPS and PPS before them, with the same time.
	BSlices int `json:"b_slices"`
	Slices  int `json:"slices"`

	time           uint32
	hasSPS, hasPPS bool
	isIDR          bool
}

// The first bits of a slice: first_mb_in_slice, then slice_type, as Exp-Golomb codes.
func sliceType(nal []byte) int {
	at := 8
	bit := func() int {
		if at/8 >= len(nal) {
			return -1
		}
		value := int(nal[at/8]) >> (7 - at%8) & 1
		at++
		return value
	}
	code := func() int {
		zeros := 0
		for next := bit(); next == 0; next = bit() {
			zeros++
		}
		value := 1
		for i := 0; i < zeros; i++ {
			value = value<<1 | bit()
		}
		return value - 1
	}
	code()
	return code() % 5
}

func (found *h264Report) takeUnit(nal []byte) {
	if len(nal) < 2 {
		return
	}
	switch nal[0] & 0x1f {
	case 7:
		found.hasSPS = true
	case 8:
		found.hasPPS = true
	case 1:
		found.Slices++
		if sliceType(nal) == 1 {
			found.BSlices++
		}
	case 5:
		found.Slices++
		if found.isIDR {
			return
		}
		found.isIDR = true
		found.IDRs++
		if !found.hasSPS || !found.hasPPS {
			found.Bare++
		}
	}
}

// RFC 6184: single units, several in one packet (24), parts of one (28).
func (found *h264Report) take(packet *rtp.Packet) {
	payload := packet.Payload
	if packet.Timestamp != found.time {
		found.time, found.hasSPS, found.hasPPS, found.isIDR = packet.Timestamp, false, false, false
	}
	if len(payload) < 3 {
		return
	}
	switch payload[0] & 0x1f {
	case 24:
		for rest := payload[1:]; len(rest) > 2; {
			size := int(binary.BigEndian.Uint16(rest))
			if 2+size > len(rest) {
				return
			}
			found.takeUnit(rest[2 : 2+size])
			rest = rest[2+size:]
		}
	case 28:
		if payload[1]&0x80 != 0 {
			found.takeUnit(append([]byte{payload[0]&0xe0 | payload[1]&0x1f}, payload[2:]...))
		}
	default:
		found.takeUnit(payload)
	}
}

type mediaReport struct {
	Codec     string   `json:"codec"`
	Packets   int      `json:"packets"`
	Frames    int      `json:"frames"`
	Broken    int      `json:"broken"`
	KeyFrames int      `json:"key_frames"`
	Key       int      `json:"key"` // The frame that was the last key frame, counted from 1.
	SSRCs     []uint32 `json:"ssrcs"`

	H264 h264Report `json:"h264"`
}

type report struct {
	Plays      bool                    `json:"plays"`
	Decodes    bool                    `json:"decodes"`
	Deleted    bool                    `json:"deleted"`
	States     []string                `json:"states"`
	Media      map[string]*mediaReport `json:"-"`
	Video      *mediaReport            `json:"video"`
	Audio      *mediaReport            `json:"audio"`
	Candidates int                     `json:"trickled"`
	Restarts   int                     `json:"restarts"`
	Ufrags     []string                `json:"ufrags"` // Of the client, as it changes.
	DTLS       int                     `json:"dtls_handshakes"`
	Requests   int                     `json:"keyframe_requests"`
	Reports    int                     `json:"receiver_reports"`
}

type session struct {
	sync.Mutex
	peer  *webrtc.PeerConnection
	conn  *mutedConn
	offer string
	etag  string
	report
}

type server struct {
	sync.Mutex
	api      *webrtc.API
	conn     *mutedConn
	codec    string
	folder   string
	paused   int32
	sessions []*session
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newServer() *server {
	socket, err := net.ListenPacket("udp4", outwardAddress()+":0")
	check(err)
	s := &server{conn: &mutedConn{PacketConn: socket}}
	engine := &webrtc.MediaEngine{}
	check(engine.RegisterDefaultCodecs())
	settings := webrtc.SettingEngine{}
	settings.SetICEUDPMux(webrtc.NewICEUDPMux(nil, s.conn))
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICETimeouts(30*time.Second, 60*time.Second, time.Second)
	interceptors := &interceptor.Registry{}
	check(webrtc.RegisterDefaultInterceptors(engine, interceptors))
	s.api = webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(interceptors))
	if len(os.Args) > 1 && os.Args[1] != "" {
		parts := strings.SplitN(os.Args[1], ":", 2)
		s.codec, s.folder = parts[0], parts[1]
	}
	return s
}

// The first address that is not of the loopback interface, where there is one: libnice offers these.
func outwardAddress() string {
	addresses, err := net.InterfaceAddrs()
	check(err)
	for _, address := range addresses {
		if ip, ok := address.(*net.IPNet); ok && !ip.IP.IsLoopback() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	return "127.0.0.1"
}

func listenAddress() string {
	if address := os.Getenv("INTEROP_LISTEN"); address != "" {
		return address
	}
	return "127.0.0.1:0"
}

func (s *session) take(track *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
	var depacketizer rtp.Depacketizer = &codecs.OpusPacket{}
	codec := strings.ToLower(strings.SplitN(track.Codec().MimeType, "/", 2)[1])
	switch codec {
	case "vp8":
		depacketizer = &codecs.VP8Packet{}
	case "vp9":
		depacketizer = &codecs.VP9Packet{}
	case "h264":
		depacketizer = &codecs.H264Packet{}
	}
	builder := samplebuilder.New(64, depacketizer, track.Codec().ClockRate)
	s.Lock()
	found := &mediaReport{Codec: codec}
	if old := s.Media[track.Kind().String()]; old != nil {
		found = old
	}
	found.SSRCs = append(found.SSRCs, uint32(track.SSRC()))
	s.Media[track.Kind().String()] = found
	s.Unlock()
	for {
		packet, _, err := track.ReadRTP()
		if err != nil {
			return
		}
		builder.Push(packet)
		s.Lock()
		found.Packets++
		if codec == "h264" {
			found.H264.take(packet)
		}
		for sample := builder.Pop(); sample != nil; sample = builder.Pop() {
			found.Frames++
			if isKeyFrame(codec, sample.Data) {
				found.KeyFrames++
				found.Key = found.Frames
			}
			if sample.PrevDroppedPackets > 0 {
				found.Broken++
			}
		}
		s.Unlock()
	}
}

func isKeyFrame(codec string, data []byte) bool {
	if codec == "vp8" {
		return len(data) > 0 && data[0]&1 == 0
	}
	if codec == "vp9" {
		// Frame marker 2, profile 0, no frame that is shown again, frame type 0.
		return len(data) > 0 && data[0]&0xfc == 0x80
	}
	return codec == "h264" && strings.Contains(string(data), "\x00\x00\x01\x65")
}

func (s *server) send(target *session, kind string, track *webrtc.TrackLocalStaticSample,
	duration time.Duration, begin time.Time) {
	data, err := os.ReadFile(s.folder + "/" + kind + ".samples")
	check(err)
	rest := data
	for number := 1; target.peer.ConnectionState() != webrtc.PeerConnectionStateClosed; number++ {
		if len(rest) < 4 {
			rest = data
		}
		size := binary.BigEndian.Uint32(rest)
		if atomic.LoadInt32(&s.paused) == 0 &&
			track.WriteSample(media.Sample{Data: rest[4 : 4+size], Duration: duration}) != nil {
			return
		}
		rest = rest[4+size:]
		time.Sleep(time.Until(begin.Add(time.Duration(number) * duration)))
	}
}

func (s *server) addTracks(target *session) error {
	kinds := []struct {
		kind, codec string
		duration    time.Duration
	}{{"video", s.codec, time.Second / 30}, {"audio", "opus", 20 * time.Millisecond}}
	begins := make(chan struct{})
	for _, k := range kinds {
		track, err := webrtc.NewTrackLocalStaticSample(
			webrtc.RTPCodecCapability{MimeType: k.kind + "/" + k.codec}, k.kind, "pattern")
		if err != nil {
			return err
		}
		sender, err := target.peer.AddTrack(track)
		if err != nil {
			return err
		}
		go target.readReports(sender)
		go func(kind string, duration time.Duration) {
			<-begins
			s.send(target, kind, track, duration, time.Now())
		}(k.kind, k.duration)
	}
	var once sync.Once
	target.peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		target.note(state)
		if state == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(begins) })
		}
	})
	return nil
}

func (s *session) readReports(sender *webrtc.RTPSender) {
	for {
		packets, _, err := sender.ReadRTCP()
		if err != nil {
			return
		}
		s.Lock()
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				s.Requests++
			case *rtcp.ReceiverReport, *rtcp.SenderReport:
				s.Reports++
			}
		}
		s.Unlock()
	}
}

func (s *session) note(state webrtc.PeerConnectionState) {
	s.Lock()
	defer s.Unlock()
	s.States = append(s.States, state.String())
}

func (s *server) post(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/sdp" {
		http.Error(w, "POST of application/sdp", http.StatusUnsupportedMediaType)
		return
	}
	peer, err := s.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	made := &session{peer: peer, conn: s.conn, offer: string(body)}
	made.Plays = r.URL.Path == "/whep"
	made.Media = map[string]*mediaReport{}
	made.Ufrags = []string{attribute(made.offer, "ice-ufrag")}
	peer.OnTrack(made.take)
	peer.OnConnectionStateChange(made.note)
	peer.SCTP().Transport().OnStateChange(func(state webrtc.DTLSTransportState) {
		made.Lock()
		defer made.Unlock()
		if state == webrtc.DTLSTransportStateConnected {
			made.DTLS++
		}
	})
	if made.Plays {
		err = s.addTracks(made)
	}
	if err == nil {
		err = made.answer(made.offer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "no answer:", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		_ = peer.Close()
		return
	}
	s.Lock()
	s.sessions = append(s.sessions, made)
	name := strconv.Itoa(len(s.sessions) - 1)
	s.Unlock()
	made.etag = "\"ice-0\""
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "session/"+name)
	w.Header().Set("ETag", made.etag)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, peer.LocalDescription().SDP)
}

func (s *session) answer(offer string) error {
	if err := s.peer.SetRemoteDescription(
		webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return err
	}
	answer, err := s.peer.CreateAnswer(nil)
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(s.peer)
	if err = s.peer.SetLocalDescription(answer); err != nil {
		return err
	}
	select {
	case <-gathered:
		return nil
	case <-time.After(5 * time.Second):
		return fmt.Errorf("candidates were not gathered in 5 s")
	}
}

func attribute(text, name string) string {
	found := regexp.MustCompile(`(?m)^a=` + name + `:(\S+)`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

func candidates(text string) []string {
	return regexp.MustCompile(`(?m)^a=(candidate:[^\r\n]*)`).FindAllString(text, -1)
}

func (s *session) patch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	text := string(body)
	s.Lock()
	etag := s.etag
	s.Unlock()
	condition := strings.Trim(r.Header.Get("If-Match"), "\"")
	switch {
	case r.Header.Get("Content-Type") != "application/trickle-ice-sdpfrag":
		http.Error(w, "not a fragment", http.StatusUnsupportedMediaType)
	case condition == "*":
		s.restart(w, text)
	case condition == "":
		http.Error(w, "If-Match is missing", http.StatusPreconditionRequired)
	case condition != strings.Trim(etag, "\""):
		http.Error(w, "another ETag", http.StatusPreconditionFailed)
	default:
		for _, line := range candidates(text) {
			mid := attribute(text, "mid")
			err := s.peer.AddICECandidate(
				webrtc.ICECandidateInit{Candidate: strings.TrimPrefix(line, "a="), SDPMid: &mid})
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			s.Lock()
			s.report.Candidates++
			s.Unlock()
		}
		w.WriteHeader(http.StatusNoContent)
	}
}

// An offer that is the first one but for ICE, which is what a fragment says.
func (s *session) restart(w http.ResponseWriter, fragment string) {
	ufrag, pwd := attribute(fragment, "ice-ufrag"), attribute(fragment, "ice-pwd")
	if ufrag == "" || pwd == "" {
		http.Error(w, "no credentials", http.StatusBadRequest)
		return
	}
	if atomic.LoadInt32(&s.conn.endsByRestart) != 0 {
		atomic.StoreInt64(&s.conn.silentUntil, 0)
	}
	offer := regexp.MustCompile(`(?m)^a=(candidate:|end-of-candidates).*\n`).ReplaceAllString(s.offer, "")
	offer = regexp.MustCompile(`(?m)^a=ice-ufrag:.*$`).ReplaceAllString(offer, "a=ice-ufrag:"+ufrag+"\r")
	offer = regexp.MustCompile(`(?m)^a=ice-pwd:.*$`).ReplaceAllString(offer, "a=ice-pwd:"+pwd+"\r")
	if err := s.answer(offer); err != nil {
		fmt.Fprintln(os.Stderr, "no restart:", err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, line := range candidates(fragment) {
		mid := attribute(fragment, "mid")
		_ = s.peer.AddICECandidate(
			webrtc.ICECandidateInit{Candidate: strings.TrimSpace(strings.TrimPrefix(line, "a=")), SDPMid: &mid})
	}
	own := s.peer.LocalDescription().SDP
	s.Lock()
	s.Restarts++
	s.Ufrags = append(s.Ufrags, ufrag)
	s.etag = fmt.Sprintf("\"ice-%d\"", s.Restarts)
	w.Header().Set("ETag", s.etag)
	s.Unlock()
	w.Header().Set("Content-Type", "application/trickle-ice-sdpfrag")
	reply := "a=ice-ufrag:" + attribute(own, "ice-ufrag") + "\r\na=ice-pwd:" + attribute(own, "ice-pwd") + "\r\n"
	reply += "a=group:BUNDLE " + attribute(own, "group:BUNDLE") + attribute(own, "mid") + "\r\n"
	reply += regexp.MustCompile(`(?m)^m=.*$`).FindString(own) + "\na=mid:" + attribute(own, "mid") + "\r\n"
	seen := map[string]bool{}
	for _, line := range candidates(own) {
		if !seen[line] {
			reply += line + "\r\n"
		}
		seen[line] = true
	}
	fmt.Fprint(w, reply+"a=end-of-candidates\r\n")
}

func (s *server) session(w http.ResponseWriter, r *http.Request) {
	number, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/session/"))
	s.Lock()
	count := len(s.sessions)
	s.Unlock()
	if err != nil || number < 0 || number >= count || s.sessions[number].Deleted {
		http.NotFound(w, r)
		return
	}
	found := s.sessions[number]
	switch r.Method {
	case http.MethodPatch:
		found.patch(w, r)
	case http.MethodDelete:
		found.Lock()
		found.Deleted = true
		found.Unlock()
		_ = found.peer.Close()
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (s *server) tell(w http.ResponseWriter, _ *http.Request) {
	reports := []report{}
	for _, found := range s.sessions {
		found.Lock()
		told := found.report
		told.Video, told.Audio = &mediaReport{}, &mediaReport{}
		if media := found.Media["video"]; media != nil {
			copied := *media
			told.Video = &copied
		}
		if media := found.Media["audio"]; media != nil {
			copied := *media
			told.Audio = &copied
		}
		found.Unlock()
		reports = append(reports, told)
	}
	_ = json.NewEncoder(w).Encode(reports)
}

func (s *server) silence(w http.ResponseWriter, r *http.Request) {
	seconds, err := strconv.ParseFloat(r.URL.Query().Get("seconds"), 64)
	if err != nil {
		http.Error(w, "seconds=N", http.StatusBadRequest)
		return
	}
	var endsByRestart int32
	if r.URL.Query().Get("until") == "restart" {
		endsByRestart = 1
	}
	atomic.StoreInt32(&s.conn.endsByRestart, endsByRestart)
	until := time.Now().Add(time.Duration(seconds * float64(time.Second)))
	atomic.StoreInt64(&s.conn.silentUntil, until.UnixNano())
}

func (s *server) pause(w http.ResponseWriter, r *http.Request) {
	paused, err := strconv.Atoi(r.URL.Query().Get("on"))
	if err != nil {
		http.Error(w, "on=0 or on=1", http.StatusBadRequest)
		return
	}
	atomic.StoreInt32(&s.paused, int32(paused))
}

// Each peer hears of it.
func (s *server) close() {
	s.Lock()
	defer s.Unlock()
	for _, found := range s.sessions {
		_ = found.peer.Close()
	}
}

func main() {
	s := newServer()
	http.HandleFunc("/whip", s.post)
	http.HandleFunc("/whep", s.post)
	http.HandleFunc("/session/", s.session)
	http.HandleFunc("/report", s.tell)
	http.HandleFunc("/silence", s.silence)
	http.HandleFunc("/pause", s.pause)
	listener, err := net.Listen("tcp4", listenAddress())
	check(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		s.close()
		os.Exit(0)
	}()
	check(http.Serve(listener, nil))
}
