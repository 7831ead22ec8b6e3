// Shop is a small web service with one memory leak: `memsnap demo` finds it.
//
// It takes orders, answers price requests and receives receipts (scanned documents), and makes
// its own traffic so that there is something to see. Everything that it keeps is bounded, except
// for one thing: look at uploadReceipt.
package main

import (
	"encoding/json"
	"expvar"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"time"
)

// lifetime is a safety net: the service ends by itself should nobody stop it.
const lifetime = 5 * time.Minute

var (
	listen   = flag.String("listen", "127.0.0.1:0", "address to serve on")
	untilEOF = flag.Bool("until-eof", false, "end when standard input is closed")
)

func main() {
	flag.Parse()
	time.AfterFunc(lifetime, func() { os.Exit(0) })
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	url := "http://" + listener.Addr().String()

	http.HandleFunc("/order", placeOrder)
	http.HandleFunc("/price", showPrice)
	http.HandleFunc("/receipt", uploadReceipt)
	expvar.Publish("settled", expvar.Func(func() any { return settled() }))
	expvar.Publish("receipts_kept", expvar.Func(func() any { return receipts.len() }))

	catalogue.load()
	go makeTraffic(url)
	fmt.Println("listening", url)
	log.Fatal(http.Serve(listener, nil))
}

func writeJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(value); err != nil {
		log.Print(err)
	}
}
