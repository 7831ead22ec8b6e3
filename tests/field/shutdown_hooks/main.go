// Shutdown_hooks has each upload clean up behind itself when the service shuts down, with
// context.AfterFunc, and never calls the stop function: the hooks, and what they capture, stay.
//
//truth:service verdict=leak trap=context ops=1000 op=1540
//truth:site mark=hook function=main.receive leaf=no leaves=context.* holder=main.life
//truth:site mark=upload function=main.newUpload type=main.upload alloc=new holder=main.life
//truth:site mark=chunk function=main.newUpload type=[]uint8 alloc=make holder=main.life
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"example.org/field/internal/run"
)

type upload struct {
	name  string
	chunk []byte
	done  int
}

func (u *upload) remove() { u.chunk, u.done = nil, 0 }

var life, shutdown = context.WithCancel(context.Background())

func newUpload(name string) *upload {
	return &upload{ // site: upload
		name:  name,
		chunk: make([]byte, 1_200), // site: chunk
	}
}

func receive(r *http.Request) (int, error) {
	u := newUpload(r.FormValue("name"))
	context.AfterFunc(life, u.remove) // site: hook
	n, err := io.ReadFull(r.Body, u.chunk)
	if err == io.ErrUnexpectedEOF {
		err = nil
	}
	u.done += n
	return u.done, err
}

func main() {
	defer shutdown()
	http.HandleFunc("/files", func(w http.ResponseWriter, r *http.Request) {
		n, err := receive(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		fmt.Fprintln(w, n)
	})
	data := make([]byte, 700)
	run.Main(func(c *run.Client, i int) { c.Post(fmt.Sprint("/files?name=", i), "text/plain", data) })
}
