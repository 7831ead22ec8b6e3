// A service that loads the plugin of its first argument, and keeps objects as well.
package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"plugin"
)

type Host struct {
	next *Host
	_    [200]byte
}

var kept *Host

func main() {
	loaded, err := plugin.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	keep, err := loaded.Lookup("Keep")
	if err != nil {
		panic(err)
	}
	keep.(func(int))(1000)
	for i := 0; i < 1000; i++ {
		kept = &Host{next: kept}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println("listening http://" + listener.Addr().String())
	panic(http.Serve(listener, nil))
}
