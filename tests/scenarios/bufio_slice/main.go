// Bufio_slice keeps the first word that each client sends, as ReadSlice returns it: a part of the
// reader's buffer, which stays as long as the word.
//
//truth:service verdict=leak trap=capacity ops=500 op=8250
//truth:site mark=reader function=main.greet type=[]uint8 alloc=make leaf=no leaves=bufio.NewReaderSize holder=main.clients cause=main.remember
package main

import (
	"bufio"
	"log"
	"strings"

	"memsnap.test/scenarios/internal/bench"
)

const bufferSize = 8 << 10

var clients = map[int][]byte{}

func greet(line string) []byte {
	reader := bufio.NewReaderSize(strings.NewReader(line), bufferSize) // site: reader
	word, err := reader.ReadSlice(' ')
	if err != nil {
		log.Fatal(err)
	}
	return word
}

func remember(client int, word []byte) {
	clients[client] = word // cause
}

func main() {
	bench.Main(func(i int) {
		remember(i, greet("HELO example.org"))
		bench.Keep(1, bufferSize)
	})
}
