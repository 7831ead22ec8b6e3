// Package run serves a program over HTTP, sends it requests from inside, and lets it be captured.
//
// The first line on standard output is "listening ADDRESS". The program's own handlers, those of
// net/http/pprof and expvar share one listener, as in many services. expvar's truth_ops counts
// operations, so that a recording knows what lies between two captures.
package run

import (
	"bytes"
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

	"example.org/field/internal/noise"
)

var (
	listen    = flag.String("listen", "127.0.0.1:0", "address to serve on")
	perSecond = flag.Float64("per-second", 0, "operations a second")
	traffic   = flag.Float64("traffic", 0, "background jobs a second, of some 50 kB each")
	_         = flag.Float64("swing", 0, "without effect here")
	untilEOF  = flag.Bool("until-eof", false, "end when standard input is closed")
	noVars    = flag.Bool("no-vars", false, "do not serve expvar")

	ops = expvar.NewInt("truth_ops")
)

// Client sends requests to the program's own server.
type Client struct {
	HTTP *http.Client
	Base string
}

// Get reads the answer to a request to its end, whatever its status.
func (c *Client) Get(path string) []byte {
	answer, err := c.HTTP.Get(c.Base + path)
	return read(answer, err)
}

// Post sends a body and reads the answer.
func (c *Client) Post(path, kind string, body []byte) []byte {
	answer, err := c.HTTP.Post(c.Base+path, kind, bytes.NewReader(body))
	return read(answer, err)
}

func read(answer *http.Response, err error) []byte {
	if err != nil {
		return nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return text
}

// Main serves http.DefaultServeMux until it is killed, and performs operations by the clock, never
// two at a time; each gets the number of those before.
func Main(operation func(c *Client, i int)) {
	flag.Parse()
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	address := "http://" + listener.Addr().String()
	client := &Client{HTTP: &http.Client{Transport: &http.Transport{}}, Base: address}
	var mu sync.Mutex
	step := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		for ; n > 0; n-- {
			operation(client, int(ops.Value()))
			ops.Add(1)
		}
	}
	http.HandleFunc("/step", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("n"))
		if err != nil {
			http.Error(w, "POST /step?n=COUNT", http.StatusBadRequest)
			return
		}
		step(n)
		fmt.Fprintln(w, ops.Value())
	})
	if *traffic > 0 {
		go Pace(*traffic, noise.New().Step)
	}
	if *perSecond > 0 {
		go Pace(*perSecond, func() { step(1) })
	}
	fmt.Println("listening", address)
	log.Fatal(http.Serve(listener, quiet(http.DefaultServeMux)))
}

// quiet hides expvar where that is asked for.
func quiet(all http.Handler) http.Handler {
	if !*noVars {
		return all
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug/vars") {
			http.NotFound(w, r)
			return
		}
		all.ServeHTTP(w, r)
	})
}

// Pace calls do for ever, perSecond times a second on average; it catches up on at most a second.
func Pace(perSecond float64, do func()) {
	due, last := 0.0, time.Now()
	for now := range time.Tick(20 * time.Millisecond) {
		due += perSecond * now.Sub(last).Seconds()
		last = now
		if most := perSecond + 1; due > most {
			due = most
		}
		for ; due >= 1; due-- {
			do()
		}
	}
}
