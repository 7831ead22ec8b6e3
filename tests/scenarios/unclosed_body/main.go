// Unclosed_body asks a server for its status and never closes the body of the answer: each time
// a connection stays open, with the buffers and goroutines of both its ends. Few of the bytes are
// allocated below probe itself; truth_live_objects counts connections.
//
//truth:service verdict=leak trap=body ops=100 op=24000
//truth:site mark=get function=main.probe leaf=no leaves=bufio.New*,net.*,net/*,context.*,syscall.* cause=net/http.*,bufio.New*,runtime.malg,runtime.mallocgc holder=goroutine
package main

import (
	"log"
	"net/http"
	"net/http/httptest"

	"memsnap.test/scenarios/internal/bench"
)

var page [32 << 10]byte

func probe(url string) int {
	answer, err := http.Get(url) // site: get
	if err != nil {
		log.Fatal(err)
	}
	return answer.StatusCode
}

func main() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(page[:])
	}))
	bench.Main(func(int) {
		probe(server.URL)
		bench.Keep(1, 0)
	})
}
