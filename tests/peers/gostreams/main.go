// SPDX-License-Identifier: Apache-2.0

// Watermill and Dapr's Redis component as users of a Redis stream: what `from-c` has is one JSON line on standard
// output; each JSON line on standard input goes to `to-c` and is answered with one line. End of input stops it.
// Arguments: watermill|dapr HOST:PORT
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

// line is both what comes and what goes; the payload is hexadecimal.
type line struct {
	Event   string            `json:"event,omitempty"`
	From    string            `json:"from,omitempty"`
	ID      string            `json:"id,omitempty"`
	Type    string            `json:"type,omitempty"`
	Hex     string            `json:"hex"`
	Headers map[string]string `json:"headers"`
	Fields  map[string]string `json:"fields,omitempty"`
	Error   string            `json:"error,omitempty"`
}

type framework interface {
	receive(ctx context.Context, tell func(line)) error
	send(ctx context.Context, message line, payload []byte) error
}

var (
	output sync.Mutex
	lines  = os.Stdout
)

func say(answer line) {
	text, err := json.Marshal(answer)
	check(err)
	output.Lock()
	defer output.Unlock()
	fmt.Fprintln(lines, string(text))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func send(ctx context.Context, f framework, text []byte) error {
	var message line

	if err := json.Unmarshal(text, &message); err != nil {
		return err
	}
	payload, err := hex.DecodeString(message.Hex)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return f.send(ctx, message, payload)
}

func main() {
	var f framework
	ctx := context.Background()

	os.Stdout = os.Stderr // standard output belongs to the lines; Dapr logs there
	switch os.Args[1] {
	case "watermill":
		f = openWatermill(os.Args[2])
	case "dapr":
		f = openDapr(ctx, os.Args[2])
	default:
		check(fmt.Errorf("choose from watermill dapr"))
	}
	check(f.receive(ctx, func(message line) {
		message.Event, message.From = "message", "from-c"
		say(message)
	}))
	say(line{Event: "ready"})
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		answer := line{Event: "sent"}
		if err := send(ctx, f, in.Bytes()); err != nil {
			answer.Error = err.Error()
		}
		say(answer)
	}
}
