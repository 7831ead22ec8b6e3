// Package bench runs a scenario as a service whose work is driven from outside.
//
// The first line on standard output is "listening ADDRESS", where ADDRESS is http://host:port or
// unix:/path. POST /step?n=1000 performs 1,000 operations and returns when they are done, so a
// test knows exactly what lies between two captures. /debug/pprof and /debug/vars are those of
// any Go service; the latter also holds truth_ops, truth_live_bytes and truth_live_objects: what
// the scenario's sites really keep alive at this moment, and what its heap profile should show.
package bench

import (
	"context"
	"expvar"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"memsnap.test/scenarios/internal/pace"
	"memsnap.test/scenarios/internal/traffic"
)

var (
	listen = flag.String("listen", "127.0.0.1:0", "address to serve on: host:port or unix:/path")
	auto   = flag.Duration("auto", 0, "perform -batch operations by itself at this interval")
	batch  = flag.Int("batch", 10, "operations of one -auto step")

	perSecond = flag.Float64("per-second", 0, "perform so many operations a second by itself")
	busy      = flag.Float64("traffic", 0, "background operations a second, 600 as a rule")
	swing     = flag.Float64("swing", 0, "share of the background that comes and goes every 40 s")

	loud     = flag.Bool("noise", false, "hold 10 MB that keep changing, as a real service does")
	untilEOF = flag.Bool("until-eof", false, "end when standard input is closed")

	ops         = expvar.NewInt("truth_ops")
	liveBytes   = expvar.NewInt("truth_live_bytes")
	liveObjects = expvar.NewInt("truth_live_objects")
)

// Keep adds objects of the given total size to what is really held; negative values release.
func Keep(objects, bytes int) {
	liveObjects.Add(int64(objects))
	liveBytes.Add(int64(bytes))
}

// SetHeld states what is really held, for scenarios that replace one block by another.
func SetHeld(objects, bytes int) {
	liveObjects.Set(int64(objects))
	liveBytes.Set(int64(bytes))
}

// Main serves until it is killed. It calls operation once for every step, never twice at a time,
// with the number of operations performed before.
func Main(operation func(i int)) {
	flag.Parse()
	listener, address := open(*listen)
	var background *noise
	if *loud {
		background = newNoise()
	}
	var mu sync.Mutex
	step := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		for ; n > 0; n-- {
			operation(int(ops.Value()))
			ops.Add(1)
			if background != nil {
				background.step()
			}
		}
	}
	http.HandleFunc("/step", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if r.Method != http.MethodPost || err != nil || n < 0 {
			http.Error(w, "POST /step?n=COUNT", http.StatusBadRequest)
			return
		}
		step(n)
		fmt.Fprintln(w, ops.Value())
	})
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	if *auto > 0 {
		go func() {
			for range time.Tick(*auto) {
				step(*batch)
			}
		}()
	}
	if *busy > 0 {
		client, base := clientOf(listener, address)
		traffic.Start(client, base, traffic.Load{PerSecond: *busy, Swing: *swing})
	}
	if *perSecond > 0 {
		go pace.Run(*perSecond, func() { step(1) })
	}
	fmt.Println("listening", address)
	log.Fatal(http.Serve(listener, nil))
}

// clientOf returns a client of the process's own server, and what its URLs begin with.
func clientOf(listener net.Listener, address string) (*http.Client, string) {
	at := listener.Addr()
	if at.Network() != "unix" {
		return &http.Client{}, address
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, at.Network(), at.String())
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}, "http://scenario"
}

func open(address string) (net.Listener, string) {
	network, where := "tcp", address
	if path, found := strings.CutPrefix(address, "unix:"); found {
		network, where = "unix", path
	}
	listener, err := net.Listen(network, where)
	if err != nil {
		log.Fatal(err)
	}
	if network == "unix" {
		return listener, address
	}
	return listener, "http://" + listener.Addr().String()
}
