# bash completion for gatewayctl, made by: gatewayctl help --completion
_gatewayctl()
{
	local words= word=${COMP_WORDS[COMP_CWORD]}
	case ${COMP_WORDS[COMP_CWORD-1]} in
	gatewayctl|--json)
		words='--json -s status sources sinks devices points watch read write buffer losses replay restart reload plugin help version'
		;;
	points|watch|read|write|replay)
		words=$(gatewayctl devices 2>/dev/null | awk 'NR > 1 { print $1 }')
		;;
	restart)
		words=$(gatewayctl sources 2>/dev/null | awk 'NR > 1 { print $1 }')
		;;
	help)
		words=$(gatewayctl help | awk '/^  [a-z]/ { print $1 }')
		;;
	buffer)
		words=--verify
		;;
	-s)
		COMPREPLY=($(compgen -f -- "$word"))
		return
		;;
	esac
	COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -F _gatewayctl gatewayctl
