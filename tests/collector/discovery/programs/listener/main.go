// Command listener listens where its arguments say, or nowhere, until its standard input ends.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() {
	address := "nowhere"
	for _, path := range os.Args[1:] {
		if path[0] == '-' {
			continue // arguments that tell instances apart
		}
		listener, err := net.Listen("unix", path)
		if err != nil {
			fmt.Println("cannot listen:", err)
			os.Exit(1)
		}
		defer listener.Close()
		address = "unix:" + path
	}
	fmt.Println("listening", address)
	io.Copy(io.Discard, os.Stdin)
}
